# Completions of msb for fish. They ask msb itself what may follow.

function __msb_complete
    set -l before (commandline --current-process --tokenize --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor)
    # In front of the program, variables may be set.
    set -l program (string match --invert --regex '^\w+=' -- $before)[1]
    set program (string replace --regex '^~' $HOME -- $program)
    set -l lines ($program __complete fish "--word=$word" -- $before 2>/dev/null)
    # A file may follow the name of a flag.
    set -l flag (string match --regex -- '^--[^=]*=' $word)
    set -l path (string replace --regex -- '^--[^=]*=' '' $word)
    set path (string unescape -- $path; or string trim --left --chars '\'"' -- $path)
    switch "$lines[1]"
        case files
            printf '%s\n' "$flag"(__fish_complete_path $path)
        case directories
            printf '%s\n' "$flag"(__fish_complete_directories $path '')
        case words
            printf '%s\n' $lines[2..]
    end
end

complete --command msb --no-files --keep-order --arguments '(__msb_complete)'
