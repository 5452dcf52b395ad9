using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeConv.Interop;

namespace NativeConv.Tests.Interop;

/// <summary>
/// The bindings against nativeconv.h as the C compiler reads it. tests/native/abi_dump.c writes
/// abi_dump.txt in the native build; here the same lines come from reflection, and neither side may
/// have one that the other lacks.
/// </summary>
public class AbiTests
{
    private const BindingFlags Members =
        BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic;

    private static readonly Type[] NativeTypes =
        [.. typeof(NativeMethods).Assembly.GetTypes()
            .Where(type => type.IsValueType)
            .Where(type => type.Name.StartsWith("nconv_", StringComparison.Ordinal))];

    private static readonly Type[] Enums = [.. NativeTypes.Where(type => type.IsEnum)];

    // An opaque handle has no fields here and no size in C.
    private static readonly Type[] Structs =
        [.. NativeTypes.Where(type => !type.IsEnum && Fields(type).Length > 0)];

    private static readonly MethodInfo[] Functions =
        [.. typeof(NativeMethods).GetMethods(Members | BindingFlags.Static)
            .Where(method => method.GetCustomAttribute<DllImportAttribute>() is not null)];

    [Fact]
    public void MacrosAreEqual() =>
        AssertDumped("macro", typeof(NativeMethods).GetFields(Members | BindingFlags.Static)
            .Where(field => field.IsLiteral)
            .Select(field => $"{field.Name} {field.GetRawConstantValue()}"));

    [Fact]
    public void FunctionsAreEqual() =>
        AssertDumped("function", Functions.Select(function => function.Name));

    [Fact]
    public void EnumsAreEqual() =>
        AssertDumped("enum", Enums
            .Select(type => $"{type.Name} {Marshal.SizeOf(type.GetEnumUnderlyingType())}"));

    [Fact]
    public void EnumValuesAreEqual() =>
        AssertDumped("value",
            from type in Enums
            from value in type.GetFields(Members | BindingFlags.Static)
            select $"{type.Name}.{value.Name} {value.GetRawConstantValue()}");

    [Fact]
    public void StructSizesAreEqual() =>
        AssertDumped("struct", Structs.Select(type => $"{type.Name} {Marshal.SizeOf(type)}"));

    [Fact]
    public void FieldsAreEqual() =>
        AssertDumped("field",
            from type in Structs
            from field in Fields(type)
            let offset = Marshal.OffsetOf(type, field.Name)
            select $"{type.Name}.{field.Name} {offset} {Kind(field.FieldType)}");

    /// <summary>So no field hides in a gap, and all compilers agree on the places.</summary>
    [Fact]
    public void StructsHaveNoPadding()
    {
        string[][] fields = [.. AbiDump.Lines("field").Select(line => line.Split(' ', '.'))];
        foreach (string[] type in AbiDump.Lines("struct").Select(line => line.Split(' ')))
        {
            int end = 0;
            foreach (string[] field in fields.Where(field => field[0] == type[0]).OrderBy(Offset))
            {
                Assert.True(Offset(field) == end, $"a gap before {field[0]}.{field[1]}");
                end += field[3] is "int32" or "uint32" or "float" ? 4 : 8;
            }

            Assert.Equal($"{type[0]} {end}", $"{type[0]} {type[1]}");
        }

        static int Offset(string[] field) => int.Parse(field[2], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void LibraryExportsEveryFunction()
    {
        nint library = NativeLibrary.Load("nconv", typeof(NativeMethods).Assembly, null);
        Assert.All(Functions, function =>
            Assert.NotEqual(0, NativeLibrary.GetExport(library, function.Name)));
    }

    [Fact]
    public void LibraryHasTheInterfaceOfTheBindings() =>
        Assert.Equal(NativeMethods.NCONV_ABI_VERSION, NativeMethods.nconv_abi_version());

    /// <summary>Nothing is left for the marshaller: numbers, enums and pointers only.</summary>
    [Fact]
    public void FunctionsNeedNoMarshalling()
    {
        Assert.NotNull(typeof(NativeMethods).Assembly
            .GetCustomAttribute<DisableRuntimeMarshallingAttribute>());
        Assert.All(Functions, function =>
        {
            var import = function.GetCustomAttribute<DllImportAttribute>()!;
            Assert.Equal(
                ("nconv", CallingConvention.Cdecl), (import.Value, import.CallingConvention));
            Assert.All(function.GetParameters().Append(function.ReturnParameter), parameter =>
                Assert.True(IsBlittable(parameter.ParameterType), $"{function.Name}: {parameter}"));
        });
    }

    private static bool IsBlittable(Type type) =>
        type == typeof(void) || type.IsEnum || Kind(type) != "unknown";

    private static FieldInfo[] Fields(Type type) => type.GetFields(Members | BindingFlags.Instance);

    private static string Kind(Type type) => type switch
    {
        _ when type == typeof(int) => "int32",
        _ when type == typeof(uint) => "uint32",
        _ when type == typeof(long) => "int64",
        _ when type == typeof(ulong) => "uint64",
        _ when type == typeof(float) => "float",
        { IsPointer: true } or { IsFunctionPointer: true } => "pointer",
        _ => "unknown",
    };

    private static void AssertDumped(string word, IEnumerable<string> managed) =>
        Assert.Equal(AbiDump.Lines(word), managed.Order(StringComparer.Ordinal));
}
