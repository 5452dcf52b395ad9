using System.Reflection;

namespace NativeConv.Tests.Support;

/// <summary>What a backward pass holds while it adds to a layer's gradients.</summary>
internal static class GradientGate
{
    public static object Of(Conv2D conv) =>
        typeof(Conv2D)
            .GetField("_gradientGate", BindingFlags.Instance | BindingFlags.NonPublic)!
            .GetValue(conv)!;

    /// <summary>Runs an action, which must not wait for the gate, on another thread than the one
    /// that holds it.</summary>
    public static void WhileHeld(Conv2D conv, Action action)
    {
        Exception? thrown = null;
        Thread thread = new(() => thrown = Record.Exception(action)) { IsBackground = true };
        bool ended;
        lock (Of(conv))
        {
            thread.Start();
            ended = thread.Join(TimeSpan.FromSeconds(10));
        }

        thread.Join();
        Assert.Null(thrown);
        Assert.True(ended, "The action waited for the gate.");
    }
}
