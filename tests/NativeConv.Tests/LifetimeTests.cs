using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeConv.Internal;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

public class LifetimeTests
{
    [Fact]
    public void Conv2D_Disposed_RefusesEverythingButReading()
    {
        Conv2D conv = new(2, 3);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        float[] input = new float[32];
        float[] output = conv.Forward(shape, input);
        conv.Dispose();
        conv.Dispose();
        Action[] calls =
        [
            () => conv.GetShape(1, 4, 4),
            () => conv.Describe(shape),
            () => conv.Forward(shape, input),
            () => conv.Forward(shape, input, output),
            () => conv.Backward(shape, input, output, output),
            () => conv.Backward(shape, input, output, output, []),
            conv.ZeroGradients,
            () => conv.SetWeights(conv.Weights),
            () => conv.SetBias(conv.Bias),
            () => conv.UpdateWeights((_, _) => { }),
            () => conv.UpdateBias((_, _) => { }),
            () => conv.ApplyGradients(1),
            () => conv.Trainable = false,
        ];
        Assert.All(calls, call => Assert.Throws<ObjectDisposedException>(call));
        Assert.Equal(
            (54, 3, 54, 3),
            (
                conv.Weights.Length,
                conv.Bias.Length,
                conv.WeightsGradient.Length,
                conv.BiasGradient.Length));
    }

    [Fact]
    public void ConvolutionPlan_Disposed_RefusesEverything()
    {
        ConvolutionPlan plan = new(Cases.Get("same 3x3"));
        float[] weights = new float[plan.WeightsLength];
        float[] input = new float[plan.InputLength];
        float[] output = new float[plan.OutputLength];
        float[] gradOutput = new float[plan.OutputLength];
        float[] bias = new float[plan.BiasLength];
        using PackedWeights forward = plan.PackWeights(ConvolutionPass.Forward, weights);
        using PackedWeights backward = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        plan.Dispose();
        plan.Dispose();
        Action[] calls =
        [
            () => plan.GetAlgorithm(ConvolutionPass.Forward),
            () => plan.Describe(),
            () => plan.GetWorkspaceBytes(ConvolutionPass.Forward),
            () => plan.PackWeights(ConvolutionPass.Forward, weights),
            () => plan.PackWeights(weights, forward),
            () => plan.Forward(input, forward, bias, output),
            () => plan.BackwardInput(gradOutput, output, backward, input),
            () => plan.BackwardWeights(input, gradOutput, output, weights, bias, false),
            () => plan.Backward([], gradOutput, output, backward, input, [], [], false),
            () => plan.GetBackwardWorkspaceBytes(),
        ];
        Assert.All(calls, call => Assert.Throws<ObjectDisposedException>(call));
    }

    [Fact]
    public void PackedWeightsAndWorkspace_Disposed_AreRefused()
    {
        using ConvolutionPlan plan = new(Cases.Get("same 3x3"));
        float[] weights = new float[plan.WeightsLength];
        float[] input = new float[plan.InputLength];
        float[] output = new float[plan.OutputLength];
        float[] bias = new float[plan.BiasLength];
        PackedWeights packed = plan.PackWeights(ConvolutionPass.Forward, weights);
        ConvolutionWorkspace workspace = new(1 << 20);
        workspace.Dispose();
        Assert.Throws<ObjectDisposedException>(() =>
            plan.Forward(input, packed, bias, output, workspace));
        packed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => plan.PackWeights(weights, packed));
        using ConvolutionWorkspace fresh = new(1 << 20);
        Assert.Throws<ObjectDisposedException>(() =>
            plan.Forward(input, packed, bias, output, fresh));

        // The failed call gave the workspace back.
        using PackedWeights again = plan.PackWeights(ConvolutionPass.Forward, weights);
        plan.Forward(input, again, bias, output, fresh);
    }

    [Fact]
    public void Workspace_InUse_IsRefused()
    {
        using ConvolutionWorkspace workspace = new(64);
        WorkspaceLease first = new(workspace, 64);
        Assert.Throws<InvalidOperationException>(() =>
        {
            _ = new WorkspaceLease(workspace, 64);
        });
        first.Dispose();
        new WorkspaceLease(workspace, 64).Dispose();
    }

    [Fact]
    public void Handle_DisposedWhileLeased_IsReleasedAfterwards()
    {
        CountingHandle handle = new();
        HandleLease lease = new(handle);
        handle.Dispose();
        Assert.Equal(0, handle.Released);
        lease.Dispose();
        Assert.Equal(1, handle.Released);
        Assert.Throws<ObjectDisposedException>(() =>
        {
            _ = new HandleLease(handle);
        });
    }

    [Fact]
    public void BufferHandle_StartsAtACacheLine()
    {
        foreach (long bytes in new[] { 0L, 1, 63, 64, 65, 1 << 20 })
        {
            using BufferHandle memory = new(bytes);
            using HandleLease lease = new(memory);
            Assert.Equal((bytes, 0), (memory.Bytes, lease.Pointer % 64));
        }
    }

    /// <summary>Layers that nobody disposes, in numbers, while others work: finalizers free what no
    /// call uses.</summary>
    [Fact]
    public void ForgottenLayers_AreFinalized()
    {
        List<WeakReference> forgotten = [];
        for (int i = 0; i < 50; i++)
        {
            forgotten.Add(Forget(i));
            if (i % 10 == 9)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.DoesNotContain(forgotten[..^1], reference => reference.IsAlive);
    }

    [Fact]
    public void PlanCache_DropsTheOldest_AndWaitsForItsCalls()
    {
        PlanCache cache = new();
        CachedPlan first = Add(cache, 1);
        first.AddReference();
        for (int height = 2; height <= PlanCache.Capacity + 1; height++)
        {
            Add(cache, height);
        }

        Assert.Equal(PlanCache.Capacity, cache.Count);
        Assert.Null(cache.Find(1, 1, 5));
        Assert.NotNull(cache.Find(1, 2, 5));
        _ = first.Plan.Describe();
        first.Release();
        Assert.Throws<ObjectDisposedException>(() => first.Plan.Describe());

        // 2 was used last, so 3 goes next.
        Add(cache, 100);
        Assert.Null(cache.Find(1, 3, 5));
        CachedPlan second = cache.Find(1, 2, 5)!;
        cache.Clear();
        Assert.Throws<ObjectDisposedException>(() => second.Plan.Describe());
    }

    [Fact]
    public void PlanCache_SharesPackedWeightsOfOneFormat()
    {
        PlanCache cache = new();
        CachedPlan a = Add(cache, 3);
        CachedPlan b = Add(cache, 4);
        Assert.Equal(
            a.Plan.GetPackedFormat(ConvolutionPass.Forward),
            b.Plan.GetPackedFormat(ConvolutionPass.Forward));
        Assert.Same(a.Packed(ConvolutionPass.Forward), b.Packed(ConvolutionPass.Forward));
        Assert.NotSame(a.Packed(ConvolutionPass.Forward), a.Packed(ConvolutionPass.BackwardInput));
        cache.Clear();
    }

    [Fact]
    public void WorkspacePool_ReusesAndGrows()
    {
        WorkspacePool pool = new();
        Assert.Null(pool.Rent(0));
        ConvolutionWorkspace small = pool.Rent(100)!;
        pool.Return(small);
        Assert.Same(small, pool.Rent(50));
        pool.Return(small);
        ConvolutionWorkspace large = pool.Rent(1000)!;
        Assert.True(small.Memory.IsClosed && large.Bytes >= 1000);
        pool.Return(large);
        ConvolutionWorkspace[] many =
        [
            .. Enumerable.Range(0, Environment.ProcessorCount + 5).Select(_ => pool.Rent(10)!),
        ];
        Assert.Equal(many.Length, many.Distinct().Count());
        Array.ForEach(many, pool.Return);
        Assert.True(pool.Count < many.Length);
        pool.Clear();
        Assert.All(many, workspace => Assert.True(workspace.Memory.IsClosed));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Forget(int seed)
    {
        Conv2D conv = new(4, 8, new() { WeightInitializer = Initializer.HeUniform(seed) });
        Conv2DShape shape = conv.GetShape(1, 9, 9);
        float[] output = conv.Forward(shape, new float[shape.InputLength]);
        conv.Backward(shape, new float[shape.InputLength], output, output);
        return new WeakReference(conv);
    }

    private static CachedPlan Add(PlanCache cache, int height) =>
        cache.Add(LayerPlan.Create(2, 3, new Conv2DOptions(), 1, height, 5));

    private sealed class CountingHandle : SafeHandle
    {
        public CountingHandle()
            : base(0, ownsHandle: true) => SetHandle(1);

        public int Released { get; private set; }

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            Released++;
            return true;
        }
    }
}
