/// The training run for the ahead-of-time caches of Java (JEP 483, 514 and 515), part of the build of `./skein`.
///
/// A cache holds the classes that a run loaded, already parsed and linked, and which methods were hot; a start with it
/// takes
/// a fraction of the time. The run must do what a real one does, so [TrainCommand] serves a model and asks it. The
/// model is
/// [TrainingModel], a few hundred kilobytes of noise, so that the build needs no network and little memory.
@NullMarked
package dev.skein.cli.train;

import org.jspecify.annotations.NullMarked;
