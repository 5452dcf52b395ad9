# Builds, tests and runs NativeConv on Windows: build.sh in PowerShell, with the same verbs but those
# that pack.
param([string] $Verb = 'help', [Parameter(ValueFromRemainingArguments)] [string[]] $Rest = @())
$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot
$usage = @'
usage: .\build.ps1 VERB [arguments]

  native    build the C++ library                       arguments for: cmake --build
  build     build all of C++ and C#                     arguments for: dotnet build
  test      C++ tests, C# tests                         arguments for: dotnet test
  demo      build and run the sample                    arguments for: the sample (try --help)
  bench     measure all, write benchmarks\REPORT.md     --quick, --from FOLDER, ... (try --help)
  bench-native   build and run nconv_bench              arguments for: nconv_bench (try --help)
  bench-compare  compare two builds in turn             OLD NEW [--shapes FILE] (try --help)
  bindings  write the C# side of nativeconv.h anew      (needs the sh of Git for Windows)

The package is made on Linux or macOS: ./build.sh pack
'@

$env:DOTNET_NOLOGO = $env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$msys = 'C:\msys64\ucrt64\bin'
if (Test-Path $msys) { $env:PATH = "$msys;$env:PATH" }

function Has([string] $Command) { [bool](Get-Command $Command -ErrorAction SilentlyContinue) }

# Runs a program; what is wrong with it ends the script with its exit code.
function Invoke-Program([string] $Program, [string[]] $Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

function Assert-Tools {
    $missing = 'git', 'cmake', 'g++', 'ninja', 'ld.lld' | Where-Object { -not (Has $_) }
    if (-not $missing) { return }
    Write-Host "missing on this machine: $missing. Install them by:"
    Write-Host '  winget install Git.Git MSYS2.MSYS2; C:\msys64\usr\bin\pacman -S --noconfirm' `
        'mingw-w64-ucrt-x86_64-gcc mingw-w64-ucrt-x86_64-cmake mingw-w64-ucrt-x86_64-ninja' `
        'mingw-w64-ucrt-x86_64-gtest mingw-w64-ucrt-x86_64-lld'
    exit 1
}

function Assert-Sdk {
    if ((Has dotnet) -and ((dotnet --list-sdks) -match '^10\.')) { return }
    Write-Host 'missing on this machine: the .NET SDK 10. Install it by:'
    Write-Host '  winget install Microsoft.DotNet.SDK.10'
    exit 1
}

# Only `test` asks for the tests, as they need GoogleTest.
function Invoke-Compile([string[]] $Arguments) {
    $options = @('--preset', 'release')
    if ($Verb -eq 'test') { $options += '-DNATIVECONV_BUILD_TESTS=ON' }
    elseif (-not (Test-Path "$root\build\release\CMakeCache.txt")) {
        $options += '-DNATIVECONV_BUILD_TESTS=OFF'
    }
    $env:CC, $env:CXX, $env:CMAKE_GENERATOR = 'gcc', 'g++', 'Ninja'
    Push-Location $root
    try {
        Invoke-Program cmake $options
        Invoke-Program cmake (@('--build', '--preset', 'release') + $Arguments)
    }
    finally { Pop-Location }
}

function Invoke-Tests {
    Set-Location $root
    ctest --preset release -j $env:NUMBER_OF_PROCESSORS
    $native = $LASTEXITCODE
    dotnet test NativeConv.sln -c Release @Rest
    $managed = $LASTEXITCODE
    Write-Host "== summary: exit code of the C++ tests $native, of the C# tests $managed"
    exit [int]($native -ne 0 -or $managed -ne 0)
}

function Invoke-Report([string[]] $Arguments) {
    $report = "$root\benchmarks\NativeConv.Report"
    Invoke-Program dotnet (@('run', '--project', $report, '-c', 'Release', '--') + $Arguments)
}

if ($Rest.Count -gt 0 -and $Rest[0] -eq '--') { $Rest = @($Rest | Select-Object -Skip 1) }
if ($Verb -in 'native', 'build', 'test', 'demo', 'bench', 'bench-native') { Assert-Tools }
if ($Verb -in 'build', 'test', 'demo', 'bench', 'bench-compare', 'bindings') { Assert-Sdk }
switch ($Verb) {
    'native' { Invoke-Compile (@('--target', 'nativeconv') + $Rest) }
    'build' {
        Invoke-Compile @()
        Invoke-Program dotnet (@('build', $root, '-c', 'Release') + $Rest)
    }
    'test' { Invoke-Compile @(); Invoke-Tests }
    'demo' {
        Invoke-Compile @('--target', 'nativeconv')
        $demo = "$root\samples\NativeConv.Demo"
        Invoke-Program dotnet (@('run', '--project', $demo, '-c', 'Release', '--') + $Rest)
    }
    'bench' {
        Invoke-Compile @('--target', 'nconv_bench', 'nativeconv')
        Invoke-Program dotnet @('build', "$root\benchmarks\NativeConv.Benchmarks", '-c', 'Release', '-v', 'quiet')
        Invoke-Report $Rest
    }
    'bench-compare' { Invoke-Report (@('compare') + $Rest) }
    'bench-native' {
        Invoke-Compile @('--target', 'nconv_bench')
        if (-not $Rest) { $Rest = '--dir=all', "--batch=$root\tests\shapes\topologies.txt" }
        Invoke-Program "$root\build\release\native\nconv_bench.exe" $Rest
    }
    'bindings' { Invoke-Program sh (@("$root/bindings/generation/generate.sh") + $Rest) }
    'help' { $usage }
    default { $usage; exit 2 }
}
