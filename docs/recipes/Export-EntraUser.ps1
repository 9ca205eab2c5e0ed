# Tried with PowerShell 7.6.9 against the running app: an export to the end, a refused request (400), a failed export. Not for Windows PowerShell 5.1.
# -Headers @{ Authorization = "Bearer $(az account get-access-token --resource api://CLIENT-ID --query accessToken -o tsv)" }
function Export-EntraUser {
    param(
        [Parameter(Mandatory)][uri]$Api,
        [hashtable]$Request = @{},
        [hashtable]$Headers = @{},
        [string]$OutFile
    )
    $null = Invoke-RestMethod "$Api/exports" -Method Post -Headers $Headers -ContentType 'application/json' `
        -Body (ConvertTo-Json $Request -Depth 5) -ResponseHeadersVariable sent
    do {
        Start-Sleep -Seconds 5
        # A failed export answers 500 with its results: read them instead of an exception.
        $export = Invoke-RestMethod $sent.Location[0] -Headers $Headers -StatusCodeVariable code -SkipHttpErrorCheck
        if ($code -eq 202 -and $export.progress.expected) {
            $percent = [Math]::Min(100, 100 * $export.progress.exported / $export.progress.expected)
            Write-Progress "Export $($export.id)" -Status "$($export.progress.exported) of $($export.progress.expected)" -PercentComplete $percent
        }
    } while ($code -eq 202)
    # Failed or Cancelled; a problem has a detail instead.
    if ($export.error) { throw "$($export.status): $($export.error.message)" }
    if ($code -ne 200) { throw $export.detail }
    if ($OutFile) { Invoke-WebRequest $export.download.csv -OutFile $OutFile }
    $export
}
