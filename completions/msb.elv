# Completions of msb for elvish. They ask msb itself what may follow.

use str

set edit:completion:arg-completer[msb] = {|@words|
  var before = $words[..-1]
  var word = $words[-1]
  var lines = [words]
  try {
    set lines = [((external $words[0]) __complete elvish --word=$word -- $@before 2>/dev/null | from-lines)]
  } catch {
    nop
  }
  if (has-value [files directories] $lines[0]) {
    edit:complete-filename $@words
  } else {
    for line $lines[1..] {
      var value told = (str:split &max=2 "\t" $line)
      edit:complex-candidate $value &display=(str:trim-right $value' '$told ' ')
    }
  }
}
