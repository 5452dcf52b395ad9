namespace NativeConv.Report;

/// <summary>Something the user can put right; the message says what.</summary>
internal sealed class ReportException(string message) : Exception(message);
