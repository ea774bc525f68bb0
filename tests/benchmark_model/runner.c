/* A tool that takes the official benchmark_model's flags and says its lines, and really runs the model: for the emulated
 * phone, which has no Python, and for which no build of the official tool is to be had.
 *
 *     aarch64-linux-gnu-gcc -O2 -Wall -o runner runner.c libLiteRt.so -Wl,--allow-shlib-undefined -Wl,-rpath,WHERE -lm
 *
 * The runtime is LiteRT's CompiledModel, through its C API, on the CPU. What the lines about delegates say comes from the
 * runtime: its own log, and what a run under its profiler, in a process of its own, shows to have run where. It has no GPU, no NNAPI, no external delegates and no
 * profiler of operators; flags that it does not know it names, as the official tool does, and goes on.
 */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- The runtime --------------------------------------------------------------------------------------------------- */

typedef void *H;
typedef struct { int element; struct { unsigned rank : 7, strided : 1; int32_t dims[8]; uint32_t strides[8]; } layout; } Type;
typedef struct {
    const char *tag;
    int kind;
    uint64_t start_us, elapsed_us;
    size_t memory[6];
    uint64_t metadata[2];
    int source;
} Event;
typedef struct { int tag; struct { int kind; int64_t value; } any; } EnvironmentOption;
int LiteRtCreateEnvironment(int, const EnvironmentOption *, H *), LiteRtCreateModelFromFile(H, const char *, H *);
int LiteRtCreateOptions(H *), LiteRtSetOptionsHardwareAccelerators(H, int), LiteRtAddOpaqueOptions(H, H);
int LiteRtCreateOpaqueOptions(const char *, void *, void (*)(void *), H *), LiteRtCreateCompiledModel(H, H, H, H *);
int LiteRtGetNumModelSignatures(H, size_t *), LiteRtGetModelSignature(H, size_t, H *);
int LiteRtGetSignatureKey(H, const char **);
int LiteRtGetNumSignatureInputs(H, size_t *), LiteRtGetNumSignatureOutputs(H, size_t *);
int LiteRtGetSignatureInputTensorByIndex(H, size_t, H *), LiteRtGetSignatureOutputTensorByIndex(H, size_t, H *);
int LiteRtGetRankedTensorType(H, Type *);
int LiteRtGetCompiledModelInputBufferRequirements(H, size_t, size_t, H *);
int LiteRtGetCompiledModelOutputBufferRequirements(H, size_t, size_t, H *);
int LiteRtCreateManagedTensorBufferFromRequirements(H, const Type *, H, H *);
int LiteRtGetTensorBufferPackedSize(H, size_t *), LiteRtLockTensorBuffer(H, void **, int), LiteRtUnlockTensorBuffer(H);
int LiteRtRunCompiledModel(H, size_t, size_t, H *, size_t, H *);

int LiteRtCompiledModelGetProfiler(H, H *), LiteRtStartProfiler(H), LiteRtGetNumProfilerEvents(H, int *);
int LiteRtGetProfilerEvents(H, int, Event *), LiteRtGetSignatureSubgraph(H, H *), LiteRtGetNumSubgraphOps(H, size_t *);

enum { CPU = 1, LOCK_TO_WRITE = 1, MIN_LOGGER_SEVERITY = 25, INTEGER = 2, WARNINGS = 2 };
enum { OPERATOR_EVENT = 2, DELEGATED_EVENT = 8 };
enum { FLOAT32 = 1, UINT8 = 3, INT8 = 9, MOST_TENSORS = 64 };

/* --- What it says -------------------------------------------------------------------------------------------------- */

static void say(FILE *to, const char *level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(FILE *to, const char *level, const char *format, ...) {
    va_list words;
    va_start(words, format);
    fprintf(to, "%s: ", level);
    vfprintf(to, format, words);
    fputc('\n', to);
    fflush(to);
    va_end(words);
}

#define info(...) say(stdout, "INFO", __VA_ARGS__)

static _Noreturn void fail(void) {
    say(stderr, "ERROR", "Benchmarking failed.");
    exit(1);
}

#define DO(call) do { int status_ = (call); if (status_) { say(stderr, "ERROR", "%.60s: status %d", #call, status_); fail(); } } while (0)

/* --- Flags --------------------------------------------------------------------------------------------------------- */

typedef struct { const char *name, *value; } Flag;
static Flag flags[] = {
    {"graph", NULL}, {"num_threads", "-1"}, {"num_runs", "50"}, {"min_secs", "1"}, {"max_secs", "150"},
    {"warmup_runs", "1"}, {"warmup_min_secs", "0.5"}, {"use_xnnpack", NULL}, {"use_gpu", "false"},
    {"use_nnapi", "false"}, {"require_full_delegation", "false"}, {"report_peak_memory_footprint", "false"},
    {"signature_to_run_for", NULL}, {"result_file_path", NULL}, {NULL, NULL},
};

static const char *flag(const char *name) {
    for (Flag *known = flags; known->name; known++)
        if (!strcmp(known->name, name)) return known->value;
    return NULL;
}

static bool is_on(const char *name) {
    const char *value = flag(name);
    return value && (!strcmp(value, "true") || !strcmp(value, "1"));
}

static bool take(const char *word) {
    const char *equals = strchr(word, '=');
    if (strncmp(word, "--", 2) || !equals) return false;
    for (Flag *known = flags; known->name; known++) {
        size_t length = strlen(known->name);
        if (length == (size_t)(equals - word - 2) && !strncmp(known->name, word + 2, length)) {
            known->value = equals + 1;
            return true;
        }
    }
    return false;
}

static void read_flags(int count, char **words) {
    bool told = false;
    for (int i = 1; i < count; i++) {
        if (take(words[i])) continue;
        printf("%s%s", told ? " " : "WARN: Unconsumed cmdline flags: ", words[i]);
        told = true;
    }
    if (told) printf("\n");
    fflush(stdout);
}

/* --- Times --------------------------------------------------------------------------------------------------------- */

typedef struct { int64_t *us; size_t count, room; } Runs;
typedef struct { double mean, stdev; int64_t min, max, p5, median, p95; } Figures;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void keep(Runs *runs, int64_t us) {
    if (runs->count == runs->room) {
        runs->room = runs->room ? 2 * runs->room : 1024;
        runs->us = realloc(runs->us, runs->room * sizeof *runs->us);
        if (!runs->us) fail();
    }
    runs->us[runs->count++] = us;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static Figures figures_of(const Runs *runs) {
    Figures found = {0};
    size_t n = runs->count;
    if (!n) return found;
    int64_t *sorted = malloc(n * sizeof *sorted);
    if (!sorted) fail();
    memcpy(sorted, runs->us, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += sorted[i];
    found.mean = sum / n;
    for (size_t i = 0; i < n; i++) squares += (sorted[i] - found.mean) * (sorted[i] - found.mean);
    found.stdev = sqrt(squares / n);
    found.min = sorted[0];
    found.max = sorted[n - 1];
    found.p5 = sorted[n * 5 / 100];
    found.median = sorted[n / 2];
    found.p95 = sorted[n * 95 / 100];
    free(sorted);
    return found;
}

/* As the official tool writes statistics: runs that all took the same, a single one, and none are shorter. */
static void say_figures(const Runs *runs, const Figures *of) {
    char text[512];
    int used = snprintf(text, sizeof text, "count=%zu", runs->count);
    if (runs->count == 1 || (runs->count && of->min == of->max))
        used += snprintf(text + used, sizeof text - used, " curr=%lld%s", (long long)runs->us[runs->count - 1],
                         runs->count > 1 ? "(all same)" : "");
    else if (runs->count)
        used += snprintf(text + used, sizeof text - used, " first=%lld curr=%lld min=%lld max=%lld avg=%g std=%lld",
                         (long long)runs->us[0], (long long)runs->us[runs->count - 1], (long long)of->min,
                         (long long)of->max, of->mean, (long long)of->stdev);
    snprintf(text + used, sizeof text - used, " p5=%lld median=%lld p95=%lld", (long long)of->p5, (long long)of->median,
             (long long)of->p95);
    info("%s\n", text);
}

/* --- Memory -------------------------------------------------------------------------------------------------------- */

static long status_kib(const char *name) {
    char line[256];
    long found = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':') found = atol(line + strlen(name) + 1);
    fclose(file);
    return found;
}

/* The largest resident set so far: the kernel keeps it, so nothing has to look at it meanwhile. */
static long peak_kib(void) { return status_kib("VmHWM"); }

/* --- The model ----------------------------------------------------------------------------------------------------- */

typedef struct { H compiled, in[MOST_TENSORS], out[MOST_TENSORS]; size_t signature, inputs, outputs; } Session;

static void fill(H buffer, int element) {
    size_t bytes;
    void *data;
    DO(LiteRtGetTensorBufferPackedSize(buffer, &bytes));
    DO(LiteRtLockTensorBuffer(buffer, &data, LOCK_TO_WRITE));
    memset(data, 0, bytes);  /* an index or a flag is best 0 */
    if (element == FLOAT32)
        for (size_t i = 0; i < bytes / sizeof(float); i++) ((float *)data)[i] = (float)rand() / RAND_MAX - 0.5f;
    if (element == INT8 || element == UINT8)
        for (size_t i = 0; i < bytes; i++) ((unsigned char *)data)[i] = (unsigned char)rand();
    DO(LiteRtUnlockTensorBuffer(buffer));
}

static size_t signature_of(H model) {
    const char *wanted = flag("signature_to_run_for");
    size_t count;
    DO(LiteRtGetNumModelSignatures(model, &count));
    for (size_t i = 0; wanted && i < count; i++) {
        H signature;
        const char *key;
        DO(LiteRtGetModelSignature(model, i, &signature));
        DO(LiteRtGetSignatureKey(signature, &key));
        if (!strcmp(key, wanted)) return i;
    }
    if (wanted) {
        say(stderr, "ERROR", "Signature \"%s\" was not found.", wanted);
        fail();
    }
    return 0;
}

static void make_buffers(H environment, H model, Session *session) {
    H signature, tensor, needs;
    Type type;
    DO(LiteRtGetModelSignature(model, session->signature, &signature));
    DO(LiteRtGetNumSignatureInputs(signature, &session->inputs));
    DO(LiteRtGetNumSignatureOutputs(signature, &session->outputs));
    if (session->inputs > MOST_TENSORS || session->outputs > MOST_TENSORS) {
        say(stderr, "ERROR", "More than %d tensors.", MOST_TENSORS);
        fail();
    }
    for (size_t i = 0; i < session->inputs; i++) {
        DO(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor));
        DO(LiteRtGetRankedTensorType(tensor, &type));
        DO(LiteRtGetCompiledModelInputBufferRequirements(session->compiled, session->signature, i, &needs));
        DO(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &session->in[i]));
        fill(session->in[i], type.element);
    }
    for (size_t i = 0; i < session->outputs; i++) {
        DO(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor));
        DO(LiteRtGetRankedTensorType(tensor, &type));
        DO(LiteRtGetCompiledModelOutputBufferRequirements(session->compiled, session->signature, i, &needs));
        DO(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &session->out[i]));
    }
}

static H compiled_with(H environment, H model, bool profiled) {
    char payload[128];
    H options, opaque, compiled;
    int threads = atoi(flag("num_threads"));
    const char *mode = flag("use_xnnpack") && !is_on("use_xnnpack") ? "builtin" : "delegate";
    snprintf(payload, sizeof payload, "num_threads = %d\nkernel_mode = \"%s\"\n", threads > 0 ? threads : 1, mode);
    DO(LiteRtCreateOptions(&options));
    DO(LiteRtSetOptionsHardwareAccelerators(options, CPU));
    DO(LiteRtCreateOpaqueOptions("xnnpack", strdup(payload), free, &opaque));
    DO(LiteRtAddOpaqueOptions(options, opaque));
    if (profiled) {
        DO(LiteRtCreateOpaqueOptions("runtime_options_string", strdup("enable_profiling = true\n"), free, &opaque));
        DO(LiteRtAddOpaqueOptions(options, opaque));
    }
    DO(LiteRtCreateCompiledModel(environment, model, options, &compiled));
    return compiled;
}

static H open_session(Session *session, bool profiled) {
    static const EnvironmentOption quiet = {MIN_LOGGER_SEVERITY, {INTEGER, WARNINGS}};
    H environment, model;
    DO(LiteRtCreateEnvironment(1, &quiet, &environment));
    if (LiteRtCreateModelFromFile(environment, flag("graph"), &model)) {
        say(stderr, "ERROR", "Failed to mmap model %s", flag("graph"));
        fail();
    }
    session->signature = signature_of(model);
    session->compiled = compiled_with(environment, model, profiled);
    make_buffers(environment, model, session);
    return model;
}

static int run_once(Session *session) {
    return LiteRtRunCompiledModel(session->compiled, session->signature, session->inputs, session->in, session->outputs,
                                  session->out);
}

/* --- Delegates ----------------------------------------------------------------------------------------------------- */

typedef struct { size_t nodes, left, kernels; } Split;

/* Which nodes ran where: an operator that the CPU ran is an event of its own kind, and in a delegate's kernel the numbers
 * of its operators rise. */
static Split split_of_a_run(void) {
    static Session session;
    static Event events[1 << 14];
    H model = open_session(&session, true), profiler, signature, subgraph;
    int count, last_kind = 0;
    uint64_t last_number = 0;
    Split found = {0};
    DO(LiteRtGetModelSignature(model, session.signature, &signature));
    DO(LiteRtGetSignatureSubgraph(signature, &subgraph));
    DO(LiteRtGetNumSubgraphOps(subgraph, &found.nodes));
    DO(LiteRtCompiledModelGetProfiler(session.compiled, &profiler));
    DO(LiteRtStartProfiler(profiler));
    DO(run_once(&session));
    DO(LiteRtGetNumProfilerEvents(profiler, &count));
    if (count > (int)(sizeof events / sizeof *events)) fail();
    DO(LiteRtGetProfilerEvents(profiler, count, events));
    for (int i = 0; i < count; i++) {
        const Event *event = &events[i];
        if (event->kind != OPERATOR_EVENT && event->kind != DELEGATED_EVENT) continue;
        if (event->kind == OPERATOR_EVENT) found.left++;
        else if (last_kind != DELEGATED_EVENT || event->metadata[0] <= last_number) found.kernels++;
        last_kind = event->kind;
        last_number = event->metadata[0];
    }
    return found;
}

/* In a process of its own, whose memory and threads are nothing to the one that measures. */
static bool ask_for_split(Split *found) {
    int ends[2], status = 1;
    if (pipe(ends)) return false;
    pid_t child = fork();
    if (child < 0) return false;
    if (!child) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        Split split = split_of_a_run();
        _exit(write(ends[1], &split, sizeof split) != sizeof split);
    }
    close(ends[1]);
    bool told = read(ends[0], found, sizeof *found) == sizeof *found;
    close(ends[0]);
    return waitpid(child, &status, 0) == child && !status && told;
}

static void say_xnnpack(const Split *split) {
    size_t taken = split->nodes - split->left;
    if (taken)
        say(stderr, "VERBOSE",
            "Replacing %zu out of %zu node(s) with delegate (TfLiteXNNPackDelegate) node, yielding %zu partitions for "
            "subgraph 0.", taken, split->nodes, split->kernels);
    if (!is_on("use_xnnpack")) return;
    if (split->left && is_on("require_full_delegation")) {
        say(stderr, "ERROR", "Disallowed CPU fallback detected.");
        fail();
    }
    if (!taken)
        info("Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.");
    else if (split->left)
        info("Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ %zu "
             "delegate kernels.", split->kernels);
    else
        info("Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.");
}

/* What is said of delegates; those that are named and are not in here first. */
static void say_delegates(const Split *split) {
    static const char *absent[][2] = {{"use_gpu", "GPU"}, {"use_nnapi", "NNAPI"}};
    for (size_t i = 0; i < 2; i++)
        if (is_on(absent[i][0])) say(stdout, "WARN", "%s acceleration is unsupported on this platform.", absent[i][1]);
    if (split && (!flag("use_xnnpack") || is_on("use_xnnpack"))) say_xnnpack(split);
}

static void check_graph(void) {
    const char *graph = flag("graph");
    if (!graph || !*graph) {
        say(stderr, "ERROR", "Please specify the name of your TF Lite input file with --graph");
        fail();
    }
    if (access(graph, R_OK)) {
        say(stderr, "ERROR", "Could not open '%s'.", graph);
        fail();
    }
}

/* --- Running ------------------------------------------------------------------------------------------------------- */

static Runs run_for(Session *session, int least_runs, double least_s, double most_s) {
    Runs runs = {0};
    info("Running benchmark for at least %d iterations and at least %g seconds but terminate if exceeding %g seconds.",
         least_runs, least_s, most_s);
    int64_t begun = now_ns();
    for (double s = 0; (runs.count < (size_t)(least_runs > 0 ? least_runs : 0) || s < least_s) && s <= most_s;) {
        int64_t start = now_ns();
        DO(run_once(session));
        int64_t end = now_ns();
        keep(&runs, (end - start) / 1000);
        s = (end - begun) / 1e9;
    }
    return runs;
}

/* --- The result file ----------------------------------------------------------------------------------------------- */

typedef struct { unsigned char bytes[512]; size_t length; } Message;

static void put_varint(Message *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7) to->bytes[to->length++] = (unsigned char)(value | 0x80);
    to->bytes[to->length++] = (unsigned char)value;
}

static void put_integer(Message *to, int number, int64_t value) {
    put_varint(to, (uint64_t)number << 3);
    put_varint(to, (uint64_t)value);
}

static void put_float(Message *to, int number, double value) {
    float single = (float)value;
    put_varint(to, (uint64_t)number << 3 | 5);
    memcpy(to->bytes + to->length, &single, sizeof single);  /* every processor that this runs on is little-endian */
    to->length += sizeof single;
}

static void put_message(Message *to, int number, const Message *part) {
    put_varint(to, (uint64_t)number << 3 | 2);
    put_varint(to, part->length);
    memcpy(to->bytes + to->length, part->bytes, part->length);
    to->length += part->length;
}

typedef struct {
    Runs warmup, measured;
    Figures of_warmup, of_measured;
    int64_t init_us, first_us;
    long init_kib, overall_kib, peak_kib;
    double model_mb;
} Outcome;

static void write_result(const char *path, const Outcome *found) {
    Message latency = {{0}, 0}, memory = {{0}, 0}, misc = {{0}, 0}, whole = {{0}, 0};
    const Figures *of = &found->of_measured;
    const double ms[] = {of->mean, of->min, of->max, of->stdev, of->median, of->p5, of->p95, found->init_us,
                         found->first_us, found->of_warmup.mean};
    for (int i = 0; i < 10; i++) put_float(&latency, i + 1, ms[i] / 1e3);
    put_integer(&memory, 1, found->init_kib);
    put_integer(&memory, 2, found->overall_kib);
    put_float(&memory, 3, found->peak_kib / 1024.0);
    put_float(&misc, 1, found->model_mb);
    put_integer(&misc, 2, (int64_t)found->measured.count);
    put_integer(&misc, 3, (int64_t)found->warmup.count);
    put_float(&misc, 4, of->mean > 0 ? found->model_mb / (of->mean / 1e6) : 0);
    put_message(&whole, 2, &latency);
    put_message(&whole, 3, &memory);
    put_message(&whole, 4, &misc);
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(whole.bytes, 1, whole.length, file) == whole.length;
    if (file) written = !fclose(file) && written;
    if (!written) {
        say(stderr, "ERROR", "Failed to write result file %s", path);
        fail();
    }
}

/* --- All of it ----------------------------------------------------------------------------------------------------- */

static void say_memory(const Outcome *found) {
    info("Memory footprint delta from the start of the tool (MB): init=%g overall=%g", found->init_kib / 1024.0,
         found->overall_kib / 1024.0);
    if (!is_on("report_peak_memory_footprint")) return;
    info("Overall peak memory footprint (MB) via periodic monitoring: %g", found->peak_kib / 1024.0);
    info("Memory status at the end of exeution:");
    info("- VmRSS              : %ld MB", status_kib("VmRSS") / 1024);
    info("+ RssAnnon           : %ld MB", status_kib("RssAnon") / 1024);
    info("+ RssFile + RssShmem : %ld MB", (status_kib("RssFile") + status_kib("RssShmem")) / 1024);
}

int main(int count, char **words) {
    static Session session;
    Outcome found = {0};
    Split split;
    struct stat told;
    info("STARTING!");
    read_flags(count, words);
    info("Log parameter values verbosely: [0]");
    info("Num threads: [%s]", flag("num_threads"));
    info("Graph: [%s]", flag("graph") ? flag("graph") : "");
    check_graph();
    bool is_told = ask_for_split(&split);
    long at_start = peak_kib();
    int64_t begun = now_ns();
    open_session(&session, false);
    found.init_us = (now_ns() - begun) / 1000;
    info("Loaded model %s", flag("graph"));
    say_delegates(is_told ? &split : NULL);
    if (!stat(flag("graph"), &told)) found.model_mb = told.st_size / 1e6;
    info("The input model file size (MB): %g", found.model_mb);
    info("Initialized session in %gms.", found.init_us / 1e3);
    found.init_kib = peak_kib() - at_start;

    double most_s = atof(flag("max_secs"));
    found.warmup = run_for(&session, atoi(flag("warmup_runs")), atof(flag("warmup_min_secs")), most_s);
    found.of_warmup = figures_of(&found.warmup);
    say_figures(&found.warmup, &found.of_warmup);
    found.measured = run_for(&session, atoi(flag("num_runs")), atof(flag("min_secs")), most_s);
    found.of_measured = figures_of(&found.measured);
    say_figures(&found.measured, &found.of_measured);
    found.overall_kib = peak_kib() - at_start;
    found.peak_kib = is_on("report_peak_memory_footprint") ? peak_kib() : -1024;
    found.first_us = found.warmup.count ? found.warmup.us[0] : found.measured.count ? found.measured.us[0] : 0;

    info("Inference timings in us: Init: %lld, First inference: %lld, Warmup (avg): %g, Inference (avg): %g",
         (long long)found.init_us, (long long)found.first_us, found.of_warmup.mean, found.of_measured.mean);
    info("Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual "
         "memory footprint of the model at runtime. Take the information at your discretion.");
    say_memory(&found);
    if (flag("result_file_path")) write_result(flag("result_file_path"), &found);
    return 0;
}
