using System.Runtime.InteropServices;
using System.Text;

namespace NativeConv.Rivals;

/// <summary>An ONNX file of one Conv, written by hand: protocol buffers are fields of tag, length and bytes.</summary>
internal static class OnnxModel
{
    /// <summary>With constant weights, which the runtime may pack beforehand, or with weights as a second input.</summary>
    public static byte[] Conv(Descriptor d, float[] weights, float[] bias, bool constantWeights)
    {
        Message graph = new Message().Add(1, Node(d)).Add(2, "graph");
        if (constantWeights)
        {
            graph.Add(5, Tensor("w", weights, d.WeightsShape));
        }

        graph.Add(5, Tensor("b", bias, [d.OutputChannels])).Add(11, Value("x", d.InputShape));
        if (!constantWeights)
        {
            graph.Add(11, Value("w", d.WeightsShape));
        }

        graph.Add(12, Value("y", d.OutputShape));
        Message operators = new Message().Add(1, "").Add(2, 13);
        return new Message().Add(1, 8).Add(7, graph).Add(8, operators).ToArray();
    }

    private static Message Node(Descriptor d) => new Message()
        .Add(1, "x").Add(1, "w").Add(1, "b").Add(2, "y").Add(3, "conv").Add(4, "Conv")
        .Add(5, Attribute("kernel_shape", d.Height.Kernel, d.Width.Kernel))
        .Add(5, Attribute("strides", d.Height.Stride, d.Width.Stride))
        .Add(5, Attribute("dilations", d.Height.Dilation, d.Width.Dilation))
        .Add(5, Attribute("pads", d.Height.Before, d.Width.Before, d.Height.After, d.Width.After))
        .Add(5, new Message().Add(1, "group").Add(3, d.Groups).Add(20, 2));

    private static Message Attribute(string name, params ReadOnlySpan<int> values)
    {
        Message message = new Message().Add(1, name);
        foreach (int value in values)
        {
            message.Add(8, value);
        }

        return message.Add(20, 7);
    }

    private static Message Tensor(string name, float[] values, long[] shape)
    {
        var message = new Message();
        foreach (long size in shape)
        {
            message.Add(1, size);
        }

        return message.Add(2, 1).Add(8, name).Add(9, MemoryMarshal.AsBytes<float>(values));
    }

    private static Message Value(string name, long[] shape)
    {
        var sizes = new Message();
        foreach (long size in shape)
        {
            sizes.Add(1, new Message().Add(1, size));
        }

        return new Message().Add(1, name).Add(2, new Message().Add(1, new Message().Add(1, 1).Add(2, sizes)));
    }

    private sealed class Message
    {
        private readonly MemoryStream _bytes = new();

        public Message Add(int field, long value)
        {
            Write((ulong)field << 3);
            Write((ulong)value);
            return this;
        }

        public Message Add(int field, ReadOnlySpan<byte> value)
        {
            Write(((ulong)field << 3) | 2);
            Write((ulong)value.Length);
            _bytes.Write(value);
            return this;
        }

        public Message Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value).AsSpan());

        public Message Add(int field, Message value) => Add(field, value.ToArray().AsSpan());

        public byte[] ToArray() => _bytes.ToArray();

        private void Write(ulong value)
        {
            for (; value >= 128; value >>= 7)
            {
                _bytes.WriteByte((byte)(value | 128));
            }

            _bytes.WriteByte((byte)value);
        }
    }
}
