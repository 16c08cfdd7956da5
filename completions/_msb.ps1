# Completions of msb for PowerShell. They ask msb itself what may follow.

Register-ArgumentCompleter -Native -CommandName msb -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $before = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    $lines = @(& $before[0] __complete powershell "--word=$wordToComplete" '--' $before 2>$null)
    # With nothing offered, PowerShell offers files.
    if ($lines.Count -eq 0 -or $lines[0] -ne 'words') { return }
    $lines | Select-Object -Skip 1 | ForEach-Object {
        $word, $told = $_ -split "`t", 2
        if (-not $told) { $told = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $told)
    }
}
