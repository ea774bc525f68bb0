"""Logs as the official tools wrote them, and as people have passed them on."""
# ruff: noqa: E501, W291

from __future__ import annotations

#: The classic tool in order of appearance, with everything that it can say of a run on a phone's GPU.
WHOLE = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: Graph: [/data/local/tmp/m.tflite]
INFO: Use gpu: [1]
INFO: Loaded model /data/local/tmp/m.tflite
INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 3 delegate kernels.
INFO: The input model file size (MB): 8.83695
INFO: Initialized session in 38.467ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=9 first=81913 curr=55502 min=55502 max=81913 avg=58984.7 std=8115 p5=55502 median=56010 p95=81913

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=1061 first=56576 curr=56299 min=54669 max=60236 avg=56265.8 std=982 p5=55001 median=56200 p95=58123

INFO: Inference timings in us: Init: 38467, First inference: 81913, Warmup (avg): 58984.7, Inference (avg): 56265.8
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=2.43359 overall=8.67578
INFO: Overall peak memory footprint (MB) via periodic monitoring: 13.1797
INFO: Memory status at the end of exeution:
INFO: - VmRSS              : 13 MB
INFO: + RssAnnon           : 7 MB
INFO: + RssFile + RssShmem : 6 MB
"""

CPU = """\
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 58 out of 58 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 partitions for the whole graph.
INFO: Initialized session in 3.337ms.
INFO: count=9 first=81913 curr=55502 min=55502 max=81913 avg=58984.7 std=8115
INFO: count=1061 first=56576 curr=56299 min=54669 max=60236 avg=56265.8 std=982
INFO: Inference timings in us: Init: 3337, First inference: 81913, Warmup (avg): 58984.7, Inference (avg): 56265.8
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""

GPU = """\
INFO: Created TensorFlow Lite delegate for GPU.
VERBOSE: Replacing 58 out of 58 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for the whole graph.
INFO: Initialized OpenCL-based API.
INFO: Created 1 GPU delegate kernels.
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
INFO: Initialized session in 842.225ms.
INFO: count=13 first=115098 curr=36666 min=32079 max=115098 avg=40199.8 std=21694
INFO: count=1694 first=35688 curr=33419 min=30394 max=42335 avg=35134.9 std=1733
INFO: Inference timings in us: Init: 842225, First inference: 115098, Warmup (avg): 40199.8, Inference (avg): 35134.9
INFO: Overall peak memory footprint (MB) via periodic monitoring: 74.6641
"""

#: An old build, whose own lines have no level, cut off after warm-up.
OLD_CUT_OFF = """\
STARTING!
Min num runs: [600]
Use gpu: [1]
GPU delegate created.
INFO: Created 1 GPU delegate kernels.
Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
The input model file size (MB): 16.5922
Initialized session in 10115.4ms.
Running benchmark for at least 20 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
count=20 first=31530 curr=28680 min=27679 max=31530 avg=28473 std=769
"""

MEMORY = """\
INFO: Memory footprint delta from the start of the tool (MB): init=2.43359 overall=8.67578
INFO: Overall peak memory footprint (MB) via periodic monitoring: 13.1797
INFO: Memory status at the end of exeution: 
INFO: - VmRSS              : 13 MB
INFO: + RssAnnon           : 7 MB
INFO: + RssFile + RssShmem : 6 MB
"""

PYTHON = """\

========================================
 BENCHMARK RESULTS
========================================
Model initialization:  7.28 ms
Warmup (first):        0.23 ms
Warmup (avg):          0.07 ms (5 runs)
Inference (avg):       0.02 ms (20 runs)
Inference (min):       0.02 ms
Inference (max):       0.03 ms
Inference (median):    0.02 ms
Inference (std):       0.00 ms
Inference (p5):        0.02 ms
Inference (p95):       0.02 ms
Throughput:            617.18 MB/s
Fully accelerated:     True
========================================
"""

PYTHON_JSON = """\
{"model": "tiny_f32.tflite", "model_size_mb": 0.0, "accelerators": ["CPU"], "signature": "serving_default", "fully_accelerated": true, "num_threads": 1,
 "latency": {"init_ms": 7.28, "warmup_first_ms": 0.23, "warmup_avg_ms": 0.07, "num_warmup_runs": 5, "avg_ms": 0.02, "min_ms": 0.02, "max_ms": 0.03, "median_ms": 0.02, "std_ms": 0.0, "p5_ms": 0.02, "p95_ms": 0.02, "num_runs": 20}, "throughput_mb_s": 617.18}
"""

LITERT = """\
INFO: [benchmark_litert_model.h:NN] 
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:92] Signature name:       prefill_1024
INFO: [benchmark_litert_model.h:94] Model initialization: 23744.73 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       7441.04 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         7441.04 ms (1 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      7430.20 ms (10 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      7416.40 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      7448.86 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      9.92
INFO: [benchmark_litert_model.h:115] Throughput:           27.46 MB/s
INFO: [benchmark_litert_model.h:124] 
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       6391.74 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    6391.74 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)
"""

LOGCAT = """\
05-31 10:38:42.583 22206 22206 I tflite  : Graph: [/data/local/tmp/model.tflite]
05-31 10:38:42.601 22206 22206 E tflite  : Following operations are not supported by GPU delegate:
05-31 10:38:42.601 22206 22206 E tflite  : RESHAPE: Tensor "reshape_11" has bad input dims size: 5.
05-31 10:38:42.601 22206 22206 E tflite  : SPLIT: Operation is not supported.
05-31 10:38:42.601 22206 22206 E tflite  : 294 operations will run on the GPU, and the remaining 12 operations will run on the CPU.
05-31 10:38:42.700 22206 22300 W Thermal : count=9 of other things
... tflite  : Inference timings in us: Init: 5685, First inference: 18535, Warmup (avg): 14462.3, Inference (avg): 14575.2
"""

EXACT = """\
INFO: count=50 first=1312345 curr=1298765 min=1290001 max=1400002 avg=1.3004e+06 std=20111 p5=1291000 median=1299000 p95=1350000
INFO: count=3 curr=12(all same) p5=12 median=12 p95=12
"""
DRY_RUN = """\
INFO: Initialized session in 1.25ms.
INFO: count=0 p5=0 median=0 p95=0
INFO: count=0 p5=0 median=0 p95=0
INFO: Inference timings in us: Init: 1250, First inference: 0, Warmup (avg): 0, Inference (avg): 0
"""

OLDEST = """\
STARTING!
Num runs: [50]
Num threads: [1]
Graph: [mobilenet_v1_1.0_224_quant.tflite]
Initialized session in 4.452ms
Running benchmark for 1 iterations
count=1 curr=146161

Running benchmark for 50 iterations
count=50 first=137789 curr=137254 min=137079 max=143416 avg=137722 std=896

Average inference timings in us: Warmup: 146161, Init: 4452, no stats: 137722
"""

README_TIMINGS = "Average inference timings in us: Warmup: 83235, Init: 38467, Inference: 79760.9\n"

_NODE_HEAD = "\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]"
_OLD_NODE_HEAD = _NODE_HEAD.replace("\t  [first]", "\t          [start]\t  [first]")
_TYPE_HEAD = "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]"
_NODES = (
    "\t                 CONV_2D\t    4.269\t    4.300\t 60.000%\t 60.000%\t     0.000\t        1\t[M/Conv2d_0/Relu6]:0\n"
    "\t  Convolution (NHWC, F32) IGEMM\t    2.150\t    2.100\t 30.000%\t 90.000%\t     1.500\t        1\t"
    "Delegate/Convolution (NHWC, F32) IGEMM:1\n"
    "\t                 SOFTMAX\t    0.710\t    0.700\t 10.000%\t100.000%\t     0.000\t        1\t[M/Softmax]:2\n"
)
_OLD_NODES = (
    "\t                 CONV_2D\t            0.000\t    4.269\t    4.300\t 60.000%\t 60.000%\t     0.000\t        0\t"
    "[M/Conv2d_0/Relu6]\n"
    "\t       DEPTHWISE_CONV_2D\t            4.270\t    2.150\t    2.100\t 40.000%\t100.000%\t     0.000\t        0\t"
    "[M/Conv2d_1, depthwise]\n"
)
_TYPES = (
    "\t                 CONV_2D\t        1\t     4.300\t    60.000%\t    60.000%\t     0.000\t        1\n"
    "\t  Convolution (NHWC, F32) IGEMM\t        1\t     2.100\t    30.000%\t    90.000%\t     1.500\t        1\n"
    "\t                 SOFTMAX\t        1\t     0.700\t    10.000%\t   100.000%\t     0.000\t        1\n"
)
_BARS = "=============================="


def _tables(head: str, nodes: str, types: str, executed: int) -> str:
    return (
        f"{_BARS} Run Order {_BARS}\n{head}\n{nodes}\n{_BARS} Top by Computation Time {_BARS}\n{head}\n{nodes}\n"
        f"Number of nodes executed: {executed}\n{_BARS} Summary by node type {_BARS}\n{_TYPE_HEAD}\n{types}\n"
        "Timings (microseconds): count=50 first=79449 curr=81350 min=77385 max=88213 avg=79732 std=1929\n"
        f"Memory (bytes): count=0\n{executed} nodes observed\n\n"
    )


#: A profile of both phases, with what the delegate tells of its own inside.
PROFILE = (
    "INFO: Profiling Info for Benchmark Initialization:\n"
    + _tables(_NODE_HEAD, "\t         AllocateTensors\t    0.291\t    0.146\t100.000%\t100.000%\t   452.000\t        2\t"
              "AllocateTensors/0\n", "\t         AllocateTensors\t        1\t     0.292\t   100.000%\t   100.000%\t"
              "   452.000\t        2\n", 1)
    + "\nINFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
    + _tables(_NODE_HEAD, _NODES, _TYPES, 3)
    + "Delegate internal: \n"
    + _tables(_NODE_HEAD, "\t   conv2d 0\t    1.100\t    1.000\t100.000%\t100.000%\t     0.000\t        1\tconv2d 0\n", "\t   conv2d 0\t        1\t     1.000\t   100.000%\t   100.000%\t     0.000\t        1\n", 1)
)  # fmt: skip
#: A build that titles no phase and tells when each operator began.
OLD_PROFILE = _tables(_OLD_NODE_HEAD, _OLD_NODES, "\t                 CONV_2D\t        1\t     4.300\t    60.000%\t    60.000%\t     0.000\t        0\n", 2)  # fmt: skip
CSV_PROFILE = f"""\
Operator-wise Profiling Info for Regular Benchmark Runs:
{_BARS} Run Order {_BARS}
node type, start, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 0, 0.11, 0.0930388, 44.8994%, 44.8994%, 0, 1, [sequential_11/conv2d_33/Conv2D, more]:0
ELU, 0.0931277, 0.034, 1e-05, 55.1006%, 100%, 0, 1, [sequential_11/conv2d_33/Elu]:1

{_BARS} Summary by node type {_BARS}
node type, count, avg_ms, avg %, cdf %, mem KB, times called
Fully Connected (NC, F32) GEMM, 1, 0.029, 100%, 100%, 0, 1

Timings (microseconds): count=1 curr=29
Memory (bytes): count=0
2 nodes observed
"""
NEW_CSV_PROFILE = CSV_PROFILE.replace("start, first", "first").replace(" 0, 0.11,", " 0.11,").replace(
    " 0.0931277, 0.034,", " 0.034,").replace("Conv2D, more", "Conv2D\t more")  # fmt: skip

_LITERT_ROW = "{:>60} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14}   {}\n"
_LITERT_TYPE = "{:>60} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14}\n"
_LITERT_HEAD = _LITERT_ROW.format(
    "[node type]", "[start]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]"
)
_LITERT_ROWS = (
    _LITERT_ROW.format("DELEGATE", "0.000", "0.900", "0.800", "40.000%", "40.000%", "0.000", "10", "[Builtin]:0"),
    _LITERT_ROW.format(
        "Delegate/conv 2d (F16)", "0.010", "0.700", "0.600", "60.000%", "100.000%", "0.000", "20", "[Delegate]:1"
    ),
)
#: LiteRT's own profiler: all runs in one sum, and what the delegate told in a table more.
GPU_PROFILE = (
    f"{68 * '='} Run Order {69 * '='}\n{_LITERT_HEAD}{''.join(_LITERT_ROWS)}\n"
    f"{61 * '='} Top by Computation Time {62 * '='}\n{_LITERT_HEAD}{''.join(reversed(_LITERT_ROWS))}\n"
    f"Number of nodes executed: 2\n\n{54 * '='} Summary by node type {54 * '='}\n"
    + _LITERT_TYPE.format("[Node type]", "[count]", "[avg ms]", "[avg %]", "[cdf %]", "[mem KB]", "[times called]")
    + _LITERT_TYPE.format("Delegate/conv 2d (F16)", "1", "0.600", "60.000%", "60.000%", "0.000", "20")
    + _LITERT_TYPE.format("DELEGATE", "1", "0.800", "40.000%", "100.000%", "0.000", "10")
    + f"\n{57 * '='} Delegate Statistics {57 * '='}\n"
    + "Op Name                                           Count    Avg(us)    Min(us)    Max(us)  Total(us)\n"
    + "Delegate/conv 2d (F16)                               20     600.00        580        700      12000\n\n"
    + "Timings (microseconds): count=2 curr=20000\nMemory (bytes): count=0\n2 nodes observed\n"
)
