#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "emulator_run.h"

#if !defined(__x86_64__)
#error "fibers are switched by x86-64 code"
#endif

// Saves what a call must keep, swaps stacks, restores: skein_switch(&here, there).
asm(R"(
.text
.globl skein_switch
.hidden skein_switch
skein_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
extern "C" void skein_switch(void** here, void* there);

namespace emulator {

constexpr size_t STACK = 128 << 10;
constexpr int WARP = 32;

struct Copy {
    void* to;
    uint8_t bytes[16];
};

struct Meeting {  // of a block or a warp
    int arrived = 0;
    int members = 0;
    unsigned round = 0;
};

struct Warp {
    Meeting meeting;
    uint8_t exchange[2][WARP][32];
};

struct Fiber {
    void* stack = nullptr;  // pointer when switched away
    uint8_t* memory = nullptr;
    unsigned number = 0;
    bool done = false;
    Meeting* waits = nullptr;
    unsigned round = 0;
    std::deque<std::vector<Copy>> copies;  // the last is not committed yet
};

Fiber* current;
dim3 grid, block, index, thread;
uint8_t* dynamic_shared;

namespace {

void* scheduler;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
Meeting everybody;
const char* kernel_name;
Kernel kernel;
void** parameters;

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

[[noreturn]] void fail(const char* what) {
    fprintf(stderr, "emulator: %s: block (%u, %u, %u), thread %u: %s\n", kernel_name, index.x, index.y, index.z,
            current == nullptr ? 0 : current->number, what);
    abort();
}

void meet(Meeting& meeting) {
    unsigned round = meeting.round;
    if (++meeting.arrived == meeting.members) {
        meeting.arrived = 0;
        meeting.round++;
        return;
    }
    current->waits = &meeting;
    current->round = round;
    skein_switch(&current->stack, scheduler);
}

void fiber_main() {
    kernel.run(parameters);
    current->done = true;
    skein_switch(&current->stack, scheduler);
    abort();
}

void prepare(Fiber& fiber) {
    if (fiber.memory == nullptr) {
        void* memory = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            fail("no memory for a stack");
        }
        fiber.memory = (uint8_t*)memory;
    }
    void** top = (void**)(fiber.memory + STACK) - 2;  // a call leaves the stack 8 bytes off a multiple of 16
    *top = (void*)fiber_main;
    fiber.stack = top - 6;
    fiber.done = false;
    fiber.waits = nullptr;
    fiber.copies.assign(1, {});
}

void run_block(std::mt19937& random, std::vector<int>& order) {
    everybody = Meeting{0, (int)fibers.size(), 0};
    for (size_t w = 0; w < warps.size(); w++) {
        warps[w].meeting = Meeting{0, (int)std::min<size_t>(WARP, fibers.size() - w * WARP), 0};
    }
    for (Fiber& fiber : fibers) {
        prepare(fiber);
    }
    size_t left = fibers.size();
    size_t returned = 0;
    std::shuffle(order.begin(), order.end(), random);
    while (left > 0) {
        bool moved = false;
        for (int i : order) {
            Fiber& fiber = fibers[i];
            if (fiber.done || (fiber.waits != nullptr && fiber.waits->round == fiber.round)) {
                continue;
            }
            fiber.waits = nullptr;
            current = &fiber;
            unsigned n = fiber.number;
            thread = {n % block.x, n / block.x % block.y, n / (block.x * block.y)};
            skein_switch(&scheduler, fiber.stack);
            moved = true;
            if (fiber.done) {
                left--;
                returned++;
            }
        }
        if (!moved) {
            fail(returned > 0 ? "a barrier that threads left out by returning" : "threads wait at different barriers");
        }
    }
}

}  // namespace

void barrier() { meet(everybody); }
void warp_barrier() { meet(warps[current->number / WARP].meeting); }
int lane() { return current->number % WARP; }

void* give() {
    Warp& warp = warps[current->number / WARP];
    return warp.exchange[warp.meeting.round & 1][lane()];
}

const void* given(int from) {
    Warp& warp = warps[current->number / WARP];
    return warp.exchange[(warp.meeting.round - 1) & 1][from];
}

void enlist(const char* name, Kernel kernel) { kernels()[name] = kernel; }

const Kernel* find(const char* name) {
    auto found = kernels().find(name);
    return found == kernels().end() ? nullptr : &found->second;
}

void run(const char* name, const Kernel& kernel_, dim3 grid_, dim3 block_, size_t shared, void** parameters_) {
    const char* seed = getenv("SKEIN_EMULATOR_SEED");
    static std::mt19937 random(seed == nullptr ? 1 : (unsigned)strtoul(seed, nullptr, 10));
    kernel_name = name;
    kernel = kernel_;
    parameters = parameters_;
    grid = grid_;
    block = block_;
    size_t threads = (size_t)block.x * block.y * block.z;
    while (fibers.size() > threads) {
        munmap(fibers.back().memory, STACK);
        fibers.pop_back();
    }
    fibers.resize(threads);
    warps.resize((threads + WARP - 1) / WARP);
    std::vector<int> order(threads);
    for (size_t i = 0; i < threads; i++) {
        fibers[i].number = (unsigned)i;
        order[i] = (int)i;
    }
    // It ends at a page that cannot be touched.
    constexpr size_t SHARED = 256 << 10;
    static uint8_t* memory = nullptr;
    if (memory == nullptr) {
        memory = (uint8_t*)mmap(nullptr, SHARED + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(memory + SHARED, 4096, PROT_NONE);
    }
    dynamic_shared = memory + SHARED - (shared + 127) / 128 * 128;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                index = {x, y, z};
                memset(dynamic_shared, 0xff, shared);
                run_block(random, order);
            }
        }
    }
    current = nullptr;
}

}  // namespace emulator

using emulator::current;
using emulator::Copy;

void emulated_mma(float (&d)[4], const uint4& a, uint32_t b0, uint32_t b1) {
    struct Operands {
        uint16_t a[8];
        uint16_t b[4];
    };
    Operands* mine = (Operands*)emulator::give();
    memcpy(mine->a, &a, 16);
    memcpy(mine->b, &b0, 4);
    memcpy(mine->b + 2, &b1, 4);
    emulator::warp_barrier();
    int lane = emulator::lane();
    auto value = [](uint16_t bits) { return (double)__uint_as_float((uint32_t)bits << 16); };
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + (i / 2) * 8;
        int column = lane % 4 * 2 + i % 2;
        double sum = 0;
        for (int k = 0; k < 16; k++) {
            // a0: row g, k 2t; a1: row g + 8; a2, a3: the same at k + 8. b0: k 2t; b1: k + 8.
            const Operands* left = (const Operands*)emulator::given(row % 8 * 4 + k % 8 / 2);
            const Operands* right = (const Operands*)emulator::given(column * 4 + k % 8 / 2);
            sum += value(left->a[(k / 8 * 2 + row / 8) * 2 + k % 2]) * value(right->b[k / 8 * 2 + k % 2]);
        }
        d[i] = (float)(d[i] + sum);
    }
}

uint32_t emulated_transpose(uint32_t pair) {
    *(uint32_t*)emulator::give() = pair;
    emulator::warp_barrier();
    int row = emulator::lane() / 4;
    int column = emulator::lane() % 4 * 2;
    auto at = [](int r, int c) { return *(const uint32_t*)emulator::given(r * 4 + c / 2) >> (c % 2 * 16) & 0xffffu; };
    return at(column, row) | at(column + 1, row) << 16;
}

void emulated_copy_async(void* shared, const void* global, bool there) {
    Copy copy{shared, {}};
    if (there) {
        memcpy(copy.bytes, global, 16);
    }
    current->copies.back().push_back(copy);
}

void emulated_copy_commit() { current->copies.emplace_back(); }

void emulated_copy_wait(int under_way) {
    while ((int)current->copies.size() - 1 > under_way) {
        for (const Copy& copy : current->copies.front()) {
            memcpy(copy.to, copy.bytes, 16);
        }
        current->copies.pop_front();
    }
}
