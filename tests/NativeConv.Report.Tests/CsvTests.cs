using NativeConv.Report.Data;

namespace NativeConv.Report.Tests;

public class CsvTests
{
    [Fact]
    public void Parse_QuotedFields_KeepCommasAndQuotes()
    {
        IReadOnlyDictionary<string, string> row = Assert.Single(Csv.Parse(["name,text,end", "\"a,b\",\"n\"\"x\"\"\","]));
        Assert.Equal("a,b", row["name"]);
        Assert.Equal("n\"x\"", row["text"]);
        Assert.Equal("", row["end"]);
    }

    [Fact]
    public void Parse_RowOfAnotherLength_IsRefused() =>
        Assert.Throws<ReportException>(() => Csv.Parse(["a,b", "1"]));

    [Theory]
    [InlineData("plain", "")]
    [InlineData("", "")]
    [InlineData("", "x")]
    [InlineData("a,\"b\"", "c")]
    public void Join_IsUndoneByParse(string first, string second)
    {
        IReadOnlyDictionary<string, string> row = Assert.Single(Csv.Parse(["a,b", Csv.Join(first, second)]));
        Assert.Equal((first, second), (row["a"], row["b"]));
    }

    [Fact]
    public void Measurement_OfBench_SurvivesTheFile()
    {
        string[] bench =
        [
            "dir,layout,math,isa,threads,algorithm,descriptor,min_us,median_us,gflops,peak_gflops,percent_peak,gb_per_s,max_error,error_bound,status,check",
            "bwd_d,nhwc,default,avx512,2,gemm,\"g1mb1_ic64ih56_oc64oh56_kh1n\"\"a.1x1@56\"\"\",100.5,101.25,240,480,50.0,15.5,,,ok,-12.5",
        ];
        Measurement measured = Measurement.FromBench(Sets.Layers, 2, Csv.Parse(bench)[0]);
        Assert.Equal("a.1x1@56", measured.Name);
        Assert.Equal(50, measured.PercentPeak);
        Assert.Equal(240 * 100.5e3, measured.Operations);
        Assert.Equal(measured, Measurement.FromCsv(Csv.Parse([Measurement.Header, measured.ToCsv()])[0]));
    }

    [Fact]
    public void Measurement_OfRival_SurvivesTheFile()
    {
        string[] rival = ["engine,layout,threads,name,pass,min_us,median_us,check", "opencv,nhwc,1,img,fwd,3.25,4,"];
        Measurement measured = Measurement.FromRival(Sets.Layers, 1, Csv.Parse(rival)[0]);
        Assert.True(double.IsNaN(measured.Check));
        Assert.False(measured.IsOurs);
        Assert.Equal(measured, Measurement.FromCsv(Csv.Parse([Measurement.Header, measured.ToCsv()])[0]));
    }
}
