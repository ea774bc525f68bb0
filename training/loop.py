"""One phase of a training: epochs over a source, judged by balanced accuracy on validation images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from edgebench.errors import TrainingError
from edgebench.progress import Progress

from .backend import tensorflow
from .checkpoint import Checkpoint, EpochRow, State
from .data import Subset, class_prior, epoch_order
from .features import Source, apply_model
from .recipe import Phase, Recipe, Schedule

Array = np.ndarray[Any, Any]
#: The phases in their order; the place is part of every seed.
PHASES = ("head", "tail", "full")


@dataclass(frozen=True)
class Setup:
    """What a phase works with. ``body`` stands between the source and the head (None: the head alone learns);
    ``norms_learn``: BatchNorm layers of the body follow the batches."""

    name: str
    phase: Phase
    whole: Any
    body: Any | None
    head: Any
    variables: list[Any]
    train: Source
    validation: Source
    norms_learn: bool = False


class PhaseLoop:
    """Runs one phase from a state to its end. ``save`` gets a checkpoint after each epoch."""

    def __init__(
        self,
        setup: Setup,
        recipe: Recipe,
        train: Subset,
        validation: Subset,
        classes: int,
        progress: Progress,
        save: Callable[[Checkpoint], None],
    ) -> None:
        tf = tensorflow()
        self._setup, self._recipe, self._progress, self._save = setup, recipe, progress, save
        self._train, self._validation, self._classes = train, validation, classes
        prior = np.log(np.maximum(class_prior(train, classes, recipe.sampling_power), 1e-9))
        self._adjustment = tf.constant(recipe.logit_adjustment * prior, tf.float32)
        self._optimizer = tf.keras.optimizers.AdamW(
            setup.phase.learning_rate, weight_decay=setup.phase.weight_decay, global_clipnorm=5.0
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(setup.variables)
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def run(self, start: Checkpoint | None, history: tuple[EpochRow, ...]) -> State:
        """Train until the epochs are used up or nothing gets better; the network is then the best one found.

        Raises:
            TrainingError: the loss is not a finite number.
        """
        setup = self._setup
        state = State(setup.name, learning_rate=setup.phase.learning_rate, history=history)
        best = setup.whole.get_weights()
        if start is not None:
            state, best = start.state, start.best_network
            setup.whole.set_weights(start.network)
            for variable, value in zip(self._optimizer.variables, start.optimizer, strict=True):
                variable.assign(value)
        while not state.finished:
            state, improved = self._epoch(state)
            network = setup.whole.get_weights()
            best = network if improved else best
            values = [np.asarray(variable) for variable in self._optimizer.variables]
            self._save(Checkpoint(state, network, values, best))
        setup.whole.set_weights(best)
        return state

    def _epoch(self, state: State) -> tuple[State, bool]:
        number = state.epoch + 1
        phase = self._setup.phase
        rate = self._rate(state)
        self._optimizer.learning_rate.assign(rate)
        train_loss = self._train_epoch(number, state)
        row = self._judge(number, rate, train_loss)
        improved = row.validation_balanced_accuracy > state.best
        waited = 0 if improved else state.waited + 1
        rate_waited = 0 if improved else state.rate_waited + 1
        next_rate = state.learning_rate
        if rate_waited >= phase.rate_patience and phase.schedule is Schedule.PLATEAU:
            next_rate, rate_waited = next_rate * self._recipe.rate_factor, 0
        changed = replace(
            state,
            epoch=number,
            learning_rate=next_rate,
            best=max(state.best, row.validation_balanced_accuracy),
            waited=waited,
            rate_waited=rate_waited,
            finished=number >= phase.epochs or waited >= phase.patience,
            history=(*state.history, row),
        )
        return changed, improved

    def _rate(self, state: State) -> float:
        phase = self._setup.phase
        if phase.schedule is Schedule.PLATEAU:
            return state.learning_rate
        # The first epoch is a warm-up at a fifth of the rate.
        if state.epoch == 0 and phase.epochs > 2:
            return phase.learning_rate / 5
        return phase.learning_rate * 0.5 * (1.0 + math.cos(math.pi * state.epoch / phase.epochs))

    def _train_epoch(self, number: int, state: State) -> float:
        place = PHASES.index(self._setup.name)
        rng = np.random.default_rng([self._recipe.seed, place, number])
        order = epoch_order(self._train, self._classes, self._recipe.sampling_power, rng)
        copies = rng.integers(0, self._setup.train.copies, len(order))
        size = self._setup.phase.batch_size
        batches = math.ceil(len(order) / size)
        told = f", best balanced accuracy {state.best:.3f}" if number > 1 else ""
        self._progress.phase(f"{self._setup.name}: epoch {number}/{self._setup.phase.epochs}{told}", batches)
        total = 0.0
        for index in range(batches):
            chosen = order[index * size : (index + 1) * size]
            inputs = self._setup.train.batch(chosen, copies[index * size : (index + 1) * size], rng)
            seed = np.array([self._recipe.seed * 31 + place, number * 100_003 + index], np.int32)
            loss = float(self._step(inputs, self._train.labels[chosen], seed))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"{self._setup.name}: the loss became {loss} in epoch {number}, batch {index + 1}; lower the "
                    f"learning rate ({self._rate(state):g}) in the recipe, and check the weights file"
                )
            total += loss * len(chosen)
            self._progress.advance()
        return total / len(order)

    def _train_step(self, inputs: Any, labels: Any, seed: Any) -> Any:
        tf, setup = tensorflow(), self._setup
        with tf.GradientTape() as tape:
            features = inputs if setup.body is None else setup.body(inputs, training=setup.norms_learn)
            if self._recipe.dropout:
                features = tf.nn.experimental.stateless_dropout(features, self._recipe.dropout, seed)
            logits = setup.head(features) + self._adjustment
            smoothing = self._recipe.label_smoothing
            wanted = tf.one_hot(labels, self._classes) * (1.0 - smoothing) + smoothing / self._classes
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        gradients = tape.gradient(loss, setup.variables)
        self._optimizer.apply_gradients(zip(gradients, setup.variables, strict=True))
        return loss

    def _judge(self, number: int, rate: float, train_loss: float) -> EpochRow:
        scores = self.validation_scores()
        labels = self._validation.labels
        own = np.log(np.maximum(scores[np.arange(len(labels)), labels], 1e-12))
        right = scores.argmax(axis=1) == labels
        present = np.unique(labels)
        return EpochRow(
            phase=self._setup.name,
            epoch=number,
            learning_rate=rate,
            train_loss=train_loss,
            validation_loss=float(np.mean([-own[labels == label].mean() for label in present])),
            validation_top1=float(right.mean()),
            validation_balanced_accuracy=float(np.mean([right[labels == label].mean() for label in present])),
        )

    def validation_scores(self) -> Array:
        """float32 [images, classes]: the network's scores of the validation images as they are."""
        rng = np.random.default_rng(0)
        logits = []
        for start in range(0, len(self._validation.rows), 128):
            places = np.arange(start, min(start + 128, len(self._validation.rows)))
            features = self._setup.validation.batch(places, np.zeros(len(places), np.int64), rng)
            if self._setup.body is not None:
                features = apply_model(self._setup.body, features)
            logits.append(apply_model(self._setup.head, features))
        joined = np.concatenate(logits)
        shifted = np.exp(joined - joined.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
