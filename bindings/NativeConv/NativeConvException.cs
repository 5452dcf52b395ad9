namespace NativeConv;

/// <summary>
/// The native library failed in a way that no argument explains: it does not fit this assembly, or
/// it has a defect, which please report. Bad arguments give <see cref="ArgumentException"/>
/// instead, what cannot be had here <see cref="NotSupportedException"/>, and lack of memory
/// <see cref="OutOfMemoryException"/>.
/// </summary>
public sealed class NativeConvException : Exception
{
    /// <summary>Makes an exception with a general message.</summary>
    public NativeConvException()
        : this("The NativeConv library failed.") { }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What happened and what to do.</param>
    public NativeConvException(string message)
        : base(message) { }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What happened and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public NativeConvException(string message, Exception innerException)
        : base(message, innerException) { }

    internal NativeConvException(string message, int status)
        : base(message)
    {
        Status = status;
    }

    /// <summary>The status of the native function, an <c>nconv_status</c> of nativeconv.h; 0 if
    /// there was none.</summary>
    public int Status { get; }
}
