namespace NativeConv.Demo;

/// <summary>Something the user can put right. Its message, one line, is all that is printed.</summary>
internal sealed class DemoException(string message) : Exception(message);
