/* A loop over LiteRT's C API and nothing else: what `edgebench run` is compared with.
 *
 *     gcc -O2 -Wall -o bare_loop bare_loop.c SITE/ai_edge_litert/libLiteRt.so -Wl,-rpath,SITE/ai_edge_litert
 *     ./bare_loop MODEL SECONDS      prints the median latency in ns; one thread, one input, one output, inputs 0.5
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void *H;
typedef struct { int element; struct { unsigned rank : 7, strided : 1; int32_t dims[8]; uint32_t strides[8]; } layout; } Type;
int LiteRtCreateEnvironment(int, const void *, H *), LiteRtCreateModelFromFile(H, const char *, H *);
int LiteRtCreateOptions(H *), LiteRtSetOptionsHardwareAccelerators(H, int), LiteRtAddOpaqueOptions(H, H);
int LiteRtCreateOpaqueOptions(const char *, void *, void (*)(void *), H *), LiteRtCreateCompiledModel(H, H, H, H *);
int LiteRtGetModelSignature(H, size_t, H *), LiteRtGetRankedTensorType(H, Type *);
int LiteRtGetSignatureInputTensorByIndex(H, size_t, H *), LiteRtGetSignatureOutputTensorByIndex(H, size_t, H *);
int LiteRtGetCompiledModelInputBufferRequirements(H, size_t, size_t, H *);
int LiteRtGetCompiledModelOutputBufferRequirements(H, size_t, size_t, H *);
int LiteRtCreateManagedTensorBufferFromRequirements(H, const Type *, H, H *);
int LiteRtGetTensorBufferPackedSize(H, size_t *), LiteRtLockTensorBuffer(H, void **, int), LiteRtUnlockTensorBuffer(H);
int LiteRtRunCompiledModel(H, size_t, size_t, H *, size_t, H *);

#define DO(call) do { int status = (call); if (status) { fprintf(stderr, "%s: %d\n", #call, status); exit(1); } } while (0)
enum { MOST = 1 << 22 };
static int64_t taken[MOST];

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words) {
    H env, model, options, opaque, compiled, signature, tensor, needs, in, out;
    Type type;
    size_t bytes, runs = 0;
    void *data;
    if (count != 3) return fprintf(stderr, "usage: bare_loop MODEL SECONDS\n"), 2;
    DO(LiteRtCreateEnvironment(0, NULL, &env));
    DO(LiteRtCreateModelFromFile(env, words[1], &model));
    DO(LiteRtCreateOptions(&options));
    DO(LiteRtSetOptionsHardwareAccelerators(options, 1));
    DO(LiteRtCreateOpaqueOptions("xnnpack", strdup("num_threads = 1\n"), free, &opaque));
    DO(LiteRtAddOpaqueOptions(options, opaque));
    DO(LiteRtCreateCompiledModel(env, model, options, &compiled));
    DO(LiteRtGetModelSignature(model, 0, &signature));
    DO(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
    DO(LiteRtGetRankedTensorType(tensor, &type));
    DO(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &needs));
    DO(LiteRtCreateManagedTensorBufferFromRequirements(env, &type, needs, &in));
    DO(LiteRtGetTensorBufferPackedSize(in, &bytes));
    DO(LiteRtLockTensorBuffer(in, &data, 1));
    for (size_t i = 0; i < bytes / sizeof(float); i++) ((float *)data)[i] = 0.5f;
    DO(LiteRtUnlockTensorBuffer(in));
    DO(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor));
    DO(LiteRtGetRankedTensorType(tensor, &type));
    DO(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, 0, &needs));
    DO(LiteRtCreateManagedTensorBufferFromRequirements(env, &type, needs, &out));
    for (int64_t warm = now() + 100000000; now() < warm;) DO(LiteRtRunCompiledModel(compiled, 0, 1, &in, 1, &out));
    for (int64_t end = now() + (int64_t)(1e9 * atof(words[2])); now() < end && runs < MOST; runs++) {
        int64_t start = now();
        DO(LiteRtRunCompiledModel(compiled, 0, 1, &in, 1, &out));
        taken[runs] = now() - start;
    }
    qsort(taken, runs, sizeof *taken, ascending);
    printf("%lld\n", (long long)taken[runs / 2]);
    return 0;
}
