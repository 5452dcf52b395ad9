using System.Diagnostics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Threads that run the same tasks together, taking the next one when done with one. Between calls they
/// look for work for 100 us before they sleep, as NativeConv's do: a Parallel.For costs several
/// microseconds and an allocation.
/// </summary>
internal sealed class Team : IDisposable
{
    private static readonly TimeSpan s_spin = TimeSpan.FromMicroseconds(100);
    private readonly object _gate = new();
    private readonly List<Thread> _others = [];
    private Action<int, int>? _task;
    private int _tasks;
    private int _next;
    private int _running;
    private int _generation;
    private bool _stopping;

    public Team(int threads)
    {
        Threads = threads;
        for (int i = 1; i < threads; i++)
        {
            int index = i;
            Thread thread = new(() => Work(index)) { IsBackground = true };
            thread.Start();
            _others.Add(thread);
        }
    }

    public int Threads { get; }

    /// <summary>Runs task(index of the task, index of the thread) for all tasks.</summary>
    public void Run(int tasks, Action<int, int> task)
    {
        if (Threads == 1)
        {
            for (int i = 0; i < tasks; i++)
            {
                task(i, 0);
            }

            return;
        }

        _task = task;
        _tasks = tasks;
        _next = 0;
        _running = _others.Count;
        lock (_gate)
        {
            Volatile.Write(ref _generation, _generation + 1);
            Monitor.PulseAll(_gate);
        }

        TakeTasks(0);
        while (Volatile.Read(ref _running) > 0)
        {
            Thread.SpinWait(10);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopping = true;
            Volatile.Write(ref _generation, _generation + 1);
            Monitor.PulseAll(_gate);
        }

        _others.ForEach(static thread => thread.Join());
        _others.Clear();
    }

    private void Work(int thread)
    {
        for (int seen = 0; ; )
        {
            seen = WaitForNext(seen);
            if (_stopping)
            {
                return;
            }

            TakeTasks(thread);
            Interlocked.Decrement(ref _running);
        }
    }

    private int WaitForNext(int seen)
    {
        long begin = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _generation) == seen && Stopwatch.GetElapsedTime(begin) < s_spin)
        {
            Thread.SpinWait(10);
        }

        if (Volatile.Read(ref _generation) == seen)
        {
            lock (_gate)
            {
                while (_generation == seen)
                {
                    Monitor.Wait(_gate);
                }
            }
        }

        return seen + 1;
    }

    private void TakeTasks(int thread)
    {
        for (int i = Interlocked.Increment(ref _next) - 1; i < _tasks; i = Interlocked.Increment(ref _next) - 1)
        {
            _task!(i, thread);
        }
    }
}
