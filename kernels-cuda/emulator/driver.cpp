// A stand-in for libcuda.so.1: the part of the driver API that Skein calls, over host memory and emulated kernels. What a
// caller can get wrong is refused as the real driver refuses it: no current context, a kernel that is not there, a launch
// beyond the limits, a wait during capture. Device memory ends at a page that cannot be touched and starts as NaN.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "emulator_run.h"

#define API extern "C" __attribute__((visibility("default"))) int

namespace {

enum Status {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    CAPTURE_UNSUPPORTED = 900,
};

constexpr size_t MEMORY = (size_t)8 << 30;
constexpr size_t PAGE = 4096;
constexpr unsigned LAZY_PEER_ACCESS = 1;
constexpr unsigned MOST_SHARED = 232448;
constexpr unsigned SHARED_BY_DEFAULT = 49152;

using Work = std::function<void()>;

struct Stream {
    bool capturing = false;
    std::vector<Work> captured;
};
struct Graph {
    std::vector<Work> work;
};
struct Event {
    double milliseconds = -1;
};
struct Function {
    std::string name;
    const emulator::Kernel* kernel;
    unsigned shared = SHARED_BY_DEFAULT;
};
struct Library {
    std::map<std::string, Function> functions;
};
// As large as the driver's, and passed by value as that is: where another process finds the memory.
struct MemoryHandle {
    int process;
    int file;
    uint64_t bytes;
    uint64_t offset;
    uint8_t rest[40];
};
static_assert(sizeof(MemoryHandle) == 64);
struct Attribute {
    int id;
    int padding;
    uint8_t value[64];
};
struct Launch {
    unsigned grid[3], block[3], shared;
    Stream* stream;
    Attribute* attributes;
    unsigned attributeCount;
};

std::mutex everything;
bool initialised;
int retained;
std::map<uint64_t, std::pair<void*, size_t>> allocations;  // by address: the mapping
std::map<uint64_t, std::pair<void*, size_t>> opened;  // of other processes
size_t allocated;
thread_local bool context;
Stream standard;

double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

int ready() { return !initialised ? NOT_INITIALIZED : !context || retained == 0 ? INVALID_CONTEXT : SUCCESS; }

int submit(Stream* stream, Work work) {
    int status = ready();
    if (status != SUCCESS) {
        return status;
    }
    Stream& to = stream == nullptr ? standard : *stream;
    if (to.capturing) {
        to.captured.push_back(std::move(work));
        return SUCCESS;
    }
    std::lock_guard<std::mutex> lock(everything);
    work();
    return SUCCESS;
}

struct Text {
    int status;
    const char* name;
    const char* meaning;
};
const Text TEXTS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
};

int text(int status, const char** out, const char* Text::*field) {
    for (const Text& each : TEXTS) {
        if (each.status == status) {
            *out = each.*field;
            return SUCCESS;
        }
    }
    *out = nullptr;
    return INVALID_VALUE;
}

}  // namespace

API cuInit(unsigned flags) {
    initialised = flags == 0;
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}
API cuGetErrorName(int status, const char** out) { return text(status, out, &Text::name); }
API cuGetErrorString(int status, const char** out) { return text(status, out, &Text::meaning); }
API cuDriverGetVersion(int* version) {
    *version = 13000;
    return SUCCESS;
}

// Devices

API cuDeviceGetCount(int* count) {
    *count = 1;
    return initialised ? SUCCESS : NOT_INITIALIZED;
}
API cuDeviceGet(int* device, int ordinal) {
    *device = 0;
    return !initialised ? NOT_INITIALIZED : ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetName(char* name, int length, int device) {
    strncpy(name, "emulated", length);
    return device == 0 ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetPCIBusId(char* name, int length, int device) {
    strncpy(name, "0000:01:00.0", length);
    return device == 0 ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceTotalMem_v2(size_t* bytes, int device) {
    *bytes = MEMORY;
    return device == 0 ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetAttribute(int* value, int attribute, int device) {
    static const std::map<int, int> values = {{1, 1024}, {8, 49152}, {10, 32}, {16, 132}, {38, 50 << 20}, {75, 9}, {76, 0}, {97, MOST_SHARED}};
    auto found = values.find(attribute);
    if (device != 0 || found == values.end()) {
        return device != 0 ? INVALID_DEVICE : INVALID_VALUE;
    }
    *value = found->second;
    return SUCCESS;
}
API cuDevicePrimaryCtxRetain(void** out, int device) {
    if (!initialised || device != 0) {
        return initialised ? INVALID_DEVICE : NOT_INITIALIZED;
    }
    retained++;
    *out = &retained;
    return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int device) {
    if (device != 0 || retained == 0) {
        return INVALID_CONTEXT;
    }
    retained--;
    return SUCCESS;
}
API cuCtxSetCurrent(void* made) {
    context = made != nullptr;
    return made == nullptr || made == &retained ? SUCCESS : INVALID_CONTEXT;
}
API cuCtxSynchronize() { return ready(); }

// Memory

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    *total = MEMORY;
    *free = MEMORY - allocated;
    return ready();
}
API cuMemAlloc_v2(uint64_t* out, size_t bytes) {
    if (ready() != SUCCESS) {
        return ready();
    }
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    std::lock_guard<std::mutex> lock(everything);
    size_t rounded = (bytes + 15) & ~(size_t)15;
    if (rounded > MEMORY - allocated) {
        return OUT_OF_MEMORY;
    }
    size_t pages = (rounded + PAGE - 1) / PAGE * PAGE;
    void* mapping = mmap(nullptr, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    mprotect((uint8_t*)mapping + pages, PAGE, PROT_NONE);
    uint8_t* at = (uint8_t*)mapping + pages - rounded;
    memset(at, 0xff, rounded);
    allocations[(uint64_t)at] = {mapping, pages + PAGE};
    allocated += rounded;
    *out = (uint64_t)at;
    return SUCCESS;
}
API cuMemFree_v2(uint64_t at) {
    if (ready() != SUCCESS || at == 0) {
        return ready();
    }
    std::lock_guard<std::mutex> lock(everything);
    auto found = allocations.find(at);
    if (found == allocations.end()) {
        return INVALID_VALUE;
    }
    allocated -= (uint64_t)found->second.first + found->second.second - PAGE - at;
    munmap(found->second.first, found->second.second);
    allocations.erase(found);
    return SUCCESS;
}
// What the memory holds goes into a file that has no name, which takes its place.
API cuIpcGetMemHandle(MemoryHandle* out, uint64_t at) {
    std::lock_guard<std::mutex> lock(everything);
    auto found = allocations.find(at);
    if (ready() != SUCCESS || found == allocations.end()) {
        return ready() != SUCCESS ? ready() : INVALID_VALUE;
    }
    auto [mapping, bytes] = found->second;
    size_t used = bytes - PAGE;
    int file = memfd_create("device memory", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, used) != 0 || pwrite(file, mapping, used, 0) != (ssize_t)used ||
        mmap(mapping, used, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    *out = MemoryHandle{getpid(), file, used, at - (uint64_t)mapping, {}};
    return SUCCESS;
}
API cuIpcOpenMemHandle_v2(uint64_t* out, MemoryHandle handle, unsigned flags) {
    if (ready() != SUCCESS || flags != LAZY_PEER_ACCESS) {
        return ready() != SUCCESS ? ready() : INVALID_VALUE;
    }
    if (handle.process == getpid()) {
        return INVALID_CONTEXT;
    }
    std::string path = "/proc/" + std::to_string(handle.process) + "/fd/" + std::to_string(handle.file);
    int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return INVALID_HANDLE;
    }
    void* mapping = mmap(nullptr, handle.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapping == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    std::lock_guard<std::mutex> lock(everything);
    *out = (uint64_t)mapping + handle.offset;
    opened[*out] = {mapping, handle.bytes};
    return SUCCESS;
}
API cuIpcCloseMemHandle(uint64_t at) {
    std::lock_guard<std::mutex> lock(everything);
    auto found = opened.find(at);
    if (found == opened.end()) {
        return INVALID_VALUE;
    }
    munmap(found->second.first, found->second.second);
    opened.erase(found);
    return ready();
}
API cuMemHostAlloc(void** out, size_t bytes, unsigned) {
    if (ready() != SUCCESS) {
        return ready();
    }
    return posix_memalign(out, PAGE, bytes) == 0 ? SUCCESS : OUT_OF_MEMORY;
}
API cuMemFreeHost(void* at) {
    free(at);
    return ready();
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream) {
    return submit(stream, [=] { memcpy((void*)to, from, bytes); });
}
API cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
    return submit(stream, [=] { memcpy(to, (const void*)from, bytes); });
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream* stream) {
    return submit(stream, [=] { memmove((void*)to, (const void*)from, bytes); });
}
API cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, Stream* stream) {
    return submit(stream, [=] { memset((void*)to, value, bytes); });
}

// Streams, events

API cuStreamCreate(Stream** out, unsigned) {
    *out = new Stream();
    return ready();
}
API cuStreamDestroy_v2(Stream* stream) {
    delete stream;
    return ready();
}
API cuStreamSynchronize(Stream* stream) { return stream != nullptr && stream->capturing ? CAPTURE_UNSUPPORTED : ready(); }
API cuStreamWaitEvent(Stream*, Event*, unsigned) { return ready(); }
API cuEventCreate(Event** out, unsigned) {
    *out = new Event();
    return ready();
}
API cuEventDestroy_v2(Event* event) {
    delete event;
    return ready();
}
API cuEventRecord(Event* event, Stream* stream) {
    return submit(stream, [=] { event->milliseconds = now(); });
}
API cuEventSynchronize(Event*) { return ready(); }
API cuEventQuery(Event*) { return ready(); }
API cuEventElapsedTime(float* out, Event* from, Event* to) {
    if (from->milliseconds < 0 || to->milliseconds < 0) {
        return INVALID_HANDLE;
    }
    *out = (float)(to->milliseconds - from->milliseconds);
    return ready();
}

// Kernels

API cuLibraryLoadData(Library** out, const void* code, void*, void**, unsigned, void*, void**, unsigned) {
    if (code == nullptr) {
        return INVALID_IMAGE;
    }
    *out = new Library();
    return ready();
}
API cuLibraryUnload(Library* library) {
    delete library;
    return ready();
}
API cuLibraryGetKernel(Function** out, Library* library, const char* name) {
    const emulator::Kernel* kernel = emulator::find(name);
    if (kernel == nullptr) {
        return NOT_FOUND;
    }
    *out = &library->functions.try_emplace(name, Function{name, kernel}).first->second;
    return SUCCESS;
}
API cuKernelGetFunction(Function** out, Function* kernel) {
    *out = kernel;
    return ready();
}
API cuFuncLoad(Function*) { return ready(); }
API cuFuncGetAttribute(int* value, int attribute, Function* function) {
    *value = attribute == 0 ? 1024 : attribute == 8 ? (int)function->shared : 0;
    return ready();
}
API cuFuncSetAttribute(Function* function, int attribute, int value) {
    if (attribute == 8) {
        if (value < 0 || value > (int)MOST_SHARED) {
            return INVALID_VALUE;
        }
        function->shared = value;
    }
    return ready();
}
API cuLaunchKernelEx(const Launch* launch, Function* function, void** parameters, void**) {
    const unsigned* g = launch->grid;
    const unsigned* b = launch->block;
    uint64_t threads = (uint64_t)b[0] * b[1] * b[2];
    if (g[0] == 0 || g[1] == 0 || g[2] == 0 || threads == 0 || threads > 1024 || g[0] > 0x7fffffffu || g[1] > 65535 ||
        g[2] > 65535 || launch->shared > function->shared) {
        return INVALID_VALUE;
    }
    const emulator::Kernel* kernel = function->kernel;
    std::vector<std::vector<uint8_t>> kept;
    for (int i = 0; i < kernel->parameters; i++) {
        const uint8_t* from = (const uint8_t*)parameters[i];
        kept.emplace_back(from, from + kernel->sizes[i]);
    }
    std::string name = function->name;
    dim3 grid{g[0], g[1], g[2]};
    dim3 block{b[0], b[1], b[2]};
    unsigned shared = launch->shared;
    return submit(launch->stream, [=]() mutable {
        std::vector<void*> pointers;
        for (auto& each : kept) {
            pointers.push_back(each.data());
        }
        emulator::run(name.c_str(), *kernel, grid, block, shared, pointers.data());
    });
}

// Graphs

API cuStreamBeginCapture_v2(Stream* stream, int) {
    if (stream == nullptr || stream->capturing) {
        return CAPTURE_UNSUPPORTED;
    }
    stream->capturing = true;
    stream->captured.clear();
    return ready();
}
API cuStreamEndCapture(Stream* stream, Graph** out) {
    if (!stream->capturing) {
        return INVALID_VALUE;
    }
    stream->capturing = false;
    *out = new Graph{std::move(stream->captured)};
    return ready();
}
API cuGraphInstantiateWithFlags(Graph** out, Graph* graph, unsigned long long) {
    *out = new Graph(*graph);
    return ready();
}
API cuGraphDestroy(Graph* graph) {
    delete graph;
    return ready();
}
API cuGraphExecDestroy(Graph* graph) {
    delete graph;
    return ready();
}
API cuGraphLaunch(Graph* graph, Stream* stream) {
    return submit(stream, [=] {
        for (Work& work : graph->work) {
            work();
        }
    });
}

// NVML: the same library plays both.

API nvmlInit_v2() { return SUCCESS; }
API nvmlDeviceGetHandleByPciBusId_v2(const char* bus, void** out) {
    *out = &retained;
    return strcmp(bus, "0000:01:00.0") == 0 ? SUCCESS : 6;
}
API nvmlDeviceGetUtilizationRates(void*, unsigned* out) {
    out[0] = 37;
    out[1] = 12;
    return SUCCESS;
}
API nvmlDeviceGetMemoryInfo(void*, unsigned long long* out) {
    out[0] = MEMORY;
    out[1] = MEMORY - allocated;
    out[2] = allocated;
    return SUCCESS;
}
API nvmlDeviceGetTemperature(void*, int sensor, unsigned* out) {
    *out = 45;
    return sensor == 0 ? SUCCESS : INVALID_VALUE;
}
API nvmlDeviceGetPowerUsage(void*, unsigned* out) {
    *out = 123400;
    return SUCCESS;
}
