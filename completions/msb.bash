# Completions of msb for bash 4.1 or newer. They ask msb itself what may follow.

_msb() {
    local program=${COMP_WORDS[0]/#\~/$HOME} kind
    # What is typed may be an alias.
    type -P -- "$program" >/dev/null || program=msb
    # The line goes whole: bash would cut its words at `=`, `:` and `@`.
    mapfile -t COMPREPLY < <(
        "$program" __complete bash "--word=$2" -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null
    )
    kind=${COMPREPLY[0]-}
    COMPREPLY=("${COMPREPLY[@]:1}")
    case $kind in
    files) compopt -o default ;;
    directories) compopt -o dirnames ;;
    esac
}

# Older than 4.4, bash sorts what is offered.
complete -o nosort -F _msb msb 2>/dev/null || complete -F _msb msb
