/**
 * NVIDIA GPUs, through the driver's own interface and nothing else: {@code libcuda.so.1}, which comes with the driver, is
 * opened when it is first asked for; no toolkit, no runtime library.
 *
 * <p>{@link dev.skein.compute.cuda.CudaProbe} says whether there is a usable GPU, and if not, why. A
 * {@link dev.skein.compute.cuda.CudaContext} is one GPU in use: it makes memory, streams, kernels and graphs, and closing it
 * frees them. All of a context's calls come from one platform thread, which may hand it to another: the driver keeps the
 * current context by system thread, which a virtual thread would change under it. Everything is enqueued in order on a
 * {@link dev.skein.compute.cuda.CudaStream}, or captured from it into a {@link dev.skein.compute.cuda.CudaGraph} that
 * replays many launches for the price of one.
 *
 * <p>The kernels are built from {@code kernels-cuda} into one file in this jar. Every call's status is checked: a
 * {@link dev.skein.compute.ComputeException} names the call, the status and its meaning, and is fatal where the driver
 * says that the context is lost.
 *
 * <p>{@link dev.skein.compute.cuda.CudaBackend} is the {@link dev.skein.compute.Backend} made of all this: weights as tiles of
 * bf16, a residual stream of 32-bit floats, and bf16 for what products read. Several of them, in a process each, split layers among
 * them: their kernels add up in each other's memory, and the host only tells them when to stop waiting.
 *
 * <p>The property {@code skein.libcuda} names another library to open, such as the emulator of {@code kernels-cuda}: so
 * everything here is tested on machines without a GPU.
 */
@NullMarked
package dev.skein.compute.cuda;

import org.jspecify.annotations.NullMarked;
