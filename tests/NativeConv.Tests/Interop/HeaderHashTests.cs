using System.Security.Cryptography;
using System.Text;
using NativeConv.Interop;

namespace NativeConv.Tests.Interop;

public class HeaderHashTests
{
    /// <summary>On failure: run ./build.sh bindings and commit what it writes.</summary>
    [Fact]
    public void BindingsAreOfThisHeader()
    {
        string header = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "nativeconv.h"));
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(header.Replace("\r", "")));
        Assert.Equal(HeaderHash.Sha256, Convert.ToHexStringLower(hash));
    }
}
