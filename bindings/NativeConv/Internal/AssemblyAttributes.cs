using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// The interop signatures are blittable as they stand; no marshalling stub is generated or needed.
[assembly: DisableRuntimeMarshalling]

// The library ships beside this assembly. That folder and the package's runtimes/ folder are
// searched, never the working directory, PATH or LD_LIBRARY_PATH.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory)]
