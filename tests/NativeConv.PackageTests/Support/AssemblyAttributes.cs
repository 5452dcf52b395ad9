using NativeConv.PackageTests.Support;

[assembly: AssemblyFixture(typeof(Workshop))]
