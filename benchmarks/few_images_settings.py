"""What benchmarks/few_images.py compares: ways to fit a probe on few images, all of which a linear head can repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from automl.nets.discriminant import fit_few
from automl.nets.folds import assign_folds
from automl.nets.logistic import Rotated, fit_path, log_losses, rotate, softmax

GRID = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of C, as in automl/nets/probe.py
WIDER = (3e-5, 1e-4, *GRID, 3.0, 10.0)
FOLDS = 5
LAMBDAS = np.logspace(-3, 3, 25)  # of the ridge, in units of the mean eigenvalue
SHRINKAGES = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)  # of LDA's covariance
POWERS = (0.0, 0.25, 0.5, 0.75)  # of the features' spread, which they are divided by
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the deepest tap in the features' variance
PARTS = (0.5, 0.25)  # of the features that are kept
MORE_VIEWS = {"mirrored": (0, 1), "two crops": (0, 2, 4), "mirrored, cropped": (0, 1, 2, 3, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Images that a probe is fitted on, and those it is judged on."""

    views: np.ndarray  # (5, n, d): plain, mirrored, three crops (the second is mirrored)
    labels: np.ndarray  # (n,)
    n_classes: int
    first_tap: int  # features of the finer tap; they come first
    held: np.ndarray  # (2, m, d): plain, mirrored
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one setting made of a draw."""

    held: np.ndarray  # probabilities (m, classes)
    norm: float  # of the kernel that stands on standardised features
    chosen: float  # C, or what the setting has in its place
    estimate: float  # accuracy out of fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Fits at every C: out of fold, and of all images on those held out."""

    out: np.ndarray  # logits (grid, n, classes)
    held: np.ndarray  # logits (grid, m, classes); of several views (grid, views, m, classes)
    norms: np.ndarray  # (grid,)
    labels: np.ndarray
    grid: tuple[float, ...]

    def losses(self) -> np.ndarray:
        return np.stack([log_losses(softmax(one), self.labels) for one in self.out])

    def right(self) -> np.ndarray:
        return np.stack([one.argmax(axis=1) == self.labels for one in self.out])

    def at(self, place: int, *, times: float = 1.0) -> Told:
        held = self.held[place] if self.held.ndim == 3 else self.held[place, 0]
        return Told(
            held=softmax(times * held),
            norm=times * float(self.norms[place]),
            chosen=self.grid[place],
            estimate=float(self.right()[place].mean()),
        )


def standardised(features: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Of mean 0 and spread 1, the others alike."""
    mean, spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale = np.where(spread > 1e-6 * spread.max(), spread, 1.0)
    return [((one - mean) / scale).astype(np.float32) for one in (features, *others)]


def path_of(
    x: np.ndarray,
    held: np.ndarray,
    draw: Draw,
    *,
    grid: tuple[float, ...] = GRID,
    views: int = 1,
    factor: np.ndarray | None = None,
    select: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Path:
    """Fit at every C on each fold and on all.

    Args:
        x: (views * n, d), view by view; a fold takes all views of its images along, and the plain ones (the first n)
            are judged. held: (m, d), or (v, m, d).
        factor: (d,), of each feature. select: gives it from features and labels; asked anew in each fold.
    """
    n, labels = len(draw.labels), np.tile(draw.labels, views)
    fold = assign_folds(draw.labels, FOLDS, seed=draw.seed)
    weights = None if views == 1 else np.full(len(labels), 1 / views, np.float32)
    out = np.empty((len(grid), n, draw.n_classes), np.float32)
    judged = np.empty((len(grid), *held.shape[:-1], draw.n_classes), np.float32)
    norms = np.empty(len(grid))

    given = np.ones(x.shape[1], np.float32) if factor is None else factor.astype(np.float32)
    whole = rotate(x * given) if select is None else None

    def fits(rows: np.ndarray, tolerance: float) -> list[tuple[np.ndarray, np.ndarray]]:
        own_factor = given if select is None else select(x[rows], labels[rows]).astype(np.float32)
        rotated = rotate(x[rows] * own_factor) if whole is None else Rotated(whole.z[rows], whole.basis, whole.power)
        own = None if weights is None else weights[rows]
        found = fit_path(rotated, labels[rows], draw.n_classes, grid, own, tolerance=tolerance)
        return [
            ((rotated.basis @ one[:-1].astype(np.float32)) * own_factor[:, None], one[-1].astype(np.float32))
            for one in found
        ]

    for number in range(int(fold.max()) + 1):
        rows = np.flatnonzero(np.tile(fold != number, views))
        plain = fold == number
        for place, (kernel, bias) in enumerate(fits(rows, 3e-4)):
            out[place, plain] = x[:n][plain] @ kernel + bias
    for place, (kernel, bias) in enumerate(fits(np.arange(len(labels)), 1e-4)):
        judged[place] = held @ kernel + bias
        norms[place] = np.sqrt(np.square(kernel).sum())
    return Path(out=out, held=judged, norms=norms, labels=draw.labels, grid=grid)


def strongest(path: Path, *, se: float = 3.0, accuracy: float = 0.01, loss: float = 0.1) -> int:
    """Today's rule, and others of its kind: the strongest C that loses no more than noise."""
    losses, right = path.losses(), path.right().astype(np.float64)
    lowest, best = losses.mean(axis=1).min(), right[right.mean(axis=1).argmax()]
    for place in range(len(path.grid)):
        difference = best - right[place]
        noise = max(accuracy, se * difference.std() / np.sqrt(len(best)))
        if difference.mean() <= noise and losses[place].mean() <= lowest + loss:
            return place
    return int(losses.mean(axis=1).argmin())


def nearest(path: Path, c: float) -> int:
    return int(np.abs(np.log(np.array(path.grid) / c)).argmin())


def temperature(logits: np.ndarray, labels: np.ndarray, prior: np.ndarray | float = 0.0) -> float:
    """The factor of the logits (n, classes) at which the log loss is least; targets are a little unsure, as Platt's."""
    n, n_classes = logits.shape
    truth = np.full((n, n_classes), 1 / (n + 2) / n_classes)
    truth[np.arange(n), labels] += (n + 1) / (n + 2)
    spread = logits.std()

    def loss(power: float) -> float:
        scaled = np.exp(power) * logits / spread + prior
        return float((np.logaddexp.reduce(scaled, axis=1) - (truth * scaled).sum(axis=1)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 6), method="bounded").x) / spread)


def by_c(draw: Draw) -> dict[str, Told]:
    """One path, and the rules that choose on it."""
    x, held = standardised(draw.views[0], draw.held[0])
    wide = path_of(x, held, draw, grid=WIDER)
    inside = slice(WIDER.index(GRID[0]), WIDER.index(GRID[-1]) + 1)
    path = Path(out=wide.out[inside], held=wide.held[inside], norms=wide.norms[inside], labels=wide.labels, grid=GRID)
    losses = path.losses()
    means = losses.mean(axis=1)
    lowest = int(means.argmin())
    over = losses - losses[lowest]
    slack = over.mean(axis=1) <= over.std(axis=1) / np.sqrt(len(draw.labels)) + 1e-12
    n, d = draw.views.shape[1:]
    today = strongest(path)
    told = {
        "logistic regression": path.at(today),
        "logistic regression, temperature": path.at(today, times=temperature(path.out[today], draw.labels)),
        "lowest loss": path.at(lowest),
        "lowest loss, wider grid": wide.at(int(wide.losses().mean(axis=1).argmin())),
        "lowest loss, within 1 se": path.at(int(slack.argmax())),
        "best accuracy": path.at(int(path.right().mean(axis=1).argmax())),
        **{f"band of {se:g} se": path.at(strongest(path, se=se)) for se in (0, 1, 2)},
        "band of 0 se, accuracy 0": path.at(strongest(path, se=0, accuracy=0)),
        **{f"band of loss {loss:g}": path.at(strongest(path, loss=loss)) for loss in (0.02, 0.05, 0.2, 0.4)},
        "band of loss alone": path.at(strongest(path, se=0, accuracy=1)),
        "band of loss .05 alone": path.at(strongest(path, se=0, accuracy=1, loss=0.05)),
        **{f"C {c:g}": wide.at(nearest(wide, c)) for c in (0.003, 0.01, 0.03, 0.1, 1.0)},
        **{f"C {times:g} / n": wide.at(nearest(wide, times / n)) for times in (0.3, 1, 3)},
        **{f"C {times:g} / d": wide.at(nearest(wide, times / d)) for times in (3, 10, 30)},
        **{f"C {times:g} classes / n": wide.at(nearest(wide, times * draw.n_classes / n)) for times in (0.1, 0.3)},
    }
    return told


def scales(draw: Draw) -> dict[str, Told]:
    """Features divided by a power of their spread: 1 is today's, at 0 they are as the backbone gives them."""
    x, held = standardised(draw.views[0], draw.held[0])
    spread = draw.views[0].std(axis=0, dtype=np.float64)
    paths = {"1": path_of(x, held, draw)}
    for power in POWERS:
        factor = np.where(spread > 1e-6 * spread.max(), spread, 0) ** (1 - power)
        paths[f"{power:g}"] = path_of(x, held, draw, factor=factor / np.sqrt(np.square(factor).mean()))
    surest = min(paths.values(), key=lambda path: path.losses().mean(axis=1).min())
    told = {f"spread ** {power}": path.at(strongest(path)) for power, path in paths.items() if power != "1"}
    return {**told, "spread's power chosen": surest.at(strongest(surest))}


def ridge(draw: Draw) -> dict[str, Told]:
    """Ridge on one-hot targets, left one out in closed form; probabilities by a temperature fitted on those."""
    x, held = standardised(draw.views[0], draw.held[0])
    n = len(x)
    truth = np.eye(draw.n_classes)[draw.labels]
    shares = truth.mean(axis=0)
    values, vectors = eigh(x.astype(np.float64) @ x.T)
    values, vectors = np.maximum(values[1:], 1e-9), vectors[:, 1:]  # the first is the mean's, 0
    turned, across = vectors.T @ (truth - shares), held @ x.T @ vectors
    fits = []
    for factor in LAMBDAS * values.mean():
        share = values / (values + factor)
        leverage = 1 / n + np.square(vectors) @ share
        left = truth - (truth - shares - vectors @ (share[:, None] * turned)) / (1 - leverage)[:, None]
        dual = turned / (values + factor)[:, None]
        times = temperature(left, draw.labels)
        fits.append((left, shares + across @ dual, times, times * np.sqrt((values[:, None] * dual**2).sum())))
    press = [np.square(truth - left).sum(axis=1) for left, *_ in fits]
    losses = [log_losses(softmax(times * left), draw.labels) for left, _, times, _ in fits]
    right = [left.argmax(axis=1) == draw.labels for left, *_ in fits]

    def at(place: int) -> Told:
        left, scores, times, norm = fits[place]
        return Told(
            held=softmax(times * scores),
            norm=norm,
            chosen=float(LAMBDAS[place]),
            estimate=float((left.argmax(axis=1) == draw.labels).mean()),
        )

    accuracy = np.mean(right, axis=1)
    best = len(LAMBDAS) - 1 - int(accuracy[::-1].argmax())  # the strongest of equals
    band = 0
    for place in range(len(LAMBDAS)):
        difference = right[best].astype(float) - right[place]
        noise = max(0.01, 3 * difference.std() / np.sqrt(n))
        if difference.mean() <= noise and losses[place].mean() <= np.mean(losses, axis=1).min() + 0.1:
            band = place
    return {
        "ridge, lowest loss": at(int(np.mean(losses, axis=1).argmin())),
        "ridge, lowest square": at(int(np.mean(press, axis=1).argmin())),
        "ridge, best accuracy": at(best),
        "ridge, strongest within noise": at(band),
    }


def discriminant(draw: Draw) -> dict[str, Told]:
    """LDA with a covariance shrunk to a multiple of one; the shrinkage and a temperature are chosen out of fold."""
    x, held = standardised(draw.views[0], draw.held[0])
    d, rotated = x.shape[1], rotate(x)

    def fits(rows: np.ndarray, asked: np.ndarray) -> list[tuple[np.ndarray, float]]:
        z, labels = rotated.z[rows].astype(np.float64), draw.labels[rows]
        means = np.stack([z[labels == one].mean(axis=0) for one in range(draw.n_classes)])
        within = z - means[labels]
        values, vectors = eigh(within.T @ within / len(z))
        values = np.maximum(values, 0)
        turned, means = asked @ vectors, means @ vectors
        found = []
        for shrinkage in SHRINKAGES:
            inverse = 1 / ((1 - shrinkage) * values + shrinkage * values.sum() / d)
            scaled = means * inverse
            centred = scaled - scaled.mean(axis=0)
            found.append((turned @ scaled.T - 0.5 * (scaled * means).sum(axis=1), np.sqrt(np.square(centred).sum())))
        return found

    fold = assign_folds(draw.labels, FOLDS, seed=draw.seed)
    out = np.empty((len(SHRINKAGES), len(x), draw.n_classes))
    for number in range(int(fold.max()) + 1):
        for place, (scores, _) in enumerate(fits(fold != number, rotated.z[fold == number])):
            out[place, fold == number] = scores
    whole = fits(np.full(len(x), True), held @ rotated.basis)
    times = [temperature(one - one.max(axis=1, keepdims=True), draw.labels) for one in out]
    losses = [log_losses(softmax(t * one), draw.labels).mean() for t, one in zip(times, out, strict=True)]

    def at(place: int) -> Told:
        scores, norm = whole[place]
        return Told(
            held=softmax(times[place] * scores),
            norm=float(times[place] * norm),
            chosen=SHRINKAGES[place],
            estimate=float((out[place].argmax(axis=1) == draw.labels).mean()),
        )

    return {
        "LDA, lowest loss": at(int(np.argmin(losses))),
        "LDA, best accuracy": at(int((out.argmax(axis=2) == draw.labels).mean(axis=1).argmax())),
        "nearest class mean, all but": at(len(SHRINKAGES) - 1),
    }


def groups(draw: Draw) -> dict[str, Told]:
    """The two taps' features by factors that give the deepest a share of the variance."""
    x, held = standardised(draw.views[0], draw.held[0])
    d, first = x.shape[1], draw.first_tap
    paths = {"natural": path_of(x, held, draw)}
    for share in SHARES:
        factor = np.sqrt(np.where(np.arange(d) < first, (1 - share) * d / first, share * d / (d - first)))
        paths[f"{share:g}"] = path_of(x, held, draw, factor=factor)
    surest = min(paths.values(), key=lambda path: path.losses().mean(axis=1).min())
    told = {f"deepest tap {name}": path.at(strongest(path)) for name, path in paths.items() if name != "natural"}
    return {**told, "taps' shares chosen": surest.at(strongest(surest))}


def f_statistic(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Between classes over within them, (d,)."""
    n, n_classes = len(labels), int(labels.max()) + 1
    within, between = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    middle = x.mean(axis=0, dtype=np.float64)
    for label in np.unique(labels):
        own = x[labels == label]
        mean = own.mean(axis=0, dtype=np.float64)
        within += np.square(own - mean).sum(axis=0)
        between += len(own) * np.square(mean - middle)
    return (between / max(n_classes - 1, 1)) / np.maximum(within / max(n - n_classes, 1), 1e-9)


def ridge_scores(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The length of each feature's weights in a ridge, as Head2Toe's group lasso ranks them (arXiv:2201.03529)."""
    truth = np.eye(int(labels.max()) + 1)[labels]
    values, vectors = eigh((x @ x.T).astype(np.float64))
    values = np.maximum(values, 0)
    dual = vectors @ ((vectors.T @ (truth - truth.mean(axis=0))) / (values + values.mean())[:, None])
    return np.sqrt(np.square(x.T @ dual).sum(axis=1))


def best_part(score: Callable[[np.ndarray, np.ndarray], np.ndarray], part: float) -> Callable[..., np.ndarray]:
    def select(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        scores = score(x, labels)
        return (scores >= np.quantile(scores, 1 - part)) / np.sqrt(part)

    return select


def by_signal(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each feature by the share of its variance that the classes explain beyond chance, (F - 1) / F."""
    factor = np.sqrt(np.maximum(1 - 1 / np.maximum(f_statistic(x, labels), 1e-9), 0))
    return factor / max(np.sqrt(np.square(factor).mean()), 1e-9)


def selection(draw: Draw) -> dict[str, Told]:
    """Features kept by their F statistic, or by a ridge's weights; all are chosen anew in each fold."""
    x, held = standardised(draw.views[0], draw.held[0])
    paths = {"all": path_of(x, held, draw)}
    for part in PARTS:
        paths[f"best {part:g} by F"] = path_of(x, held, draw, select=best_part(f_statistic, part))
        paths[f"best {part:g} by ridge"] = path_of(x, held, draw, select=best_part(ridge_scores, part))
    paths["weighted by F"] = path_of(x, held, draw, select=by_signal)
    surest = min(paths.values(), key=lambda path: path.losses().mean(axis=1).min())
    told = {name: path.at(strongest(path)) for name, path in paths.items() if name != "all"}
    return {**told, "selection chosen": surest.at(strongest(surest))}


def more_views(draw: Draw) -> dict[str, Told]:
    """Mirrored images and crops as further rows of an image, and answers averaged over image and mirror image."""
    told = {}
    for name, views in (("plain", 1), ("mirrored", 2), ("mirrored, cropped", 5)):
        rows = np.concatenate(draw.views[:views])
        x, *held = standardised(rows, *draw.held)
        path = path_of(x, np.stack(held), draw, views=views)
        place = strongest(path)
        one = path.at(place)
        both = softmax(path.held[place].mean(axis=0))
        if views > 1:
            told[f"rows {name}"] = one
            told[f"rows {name}, temperature"] = path.at(place, times=temperature(path.out[place], draw.labels))
        told[f"rows {name}, answers averaged"] = Told(
            held=both, norm=one.norm, chosen=one.chosen, estimate=one.estimate
        )
    return told


def moderate(draw: Draw) -> dict[str, Told]:
    """Features divided by a spread that one more image of the mean variance is counted in; logistic regression, LDA."""
    x, held = standardised(draw.views[0], draw.held[0])
    path = path_of(x, held, draw, factor=moderated(draw.views[0]))
    told = {
        "moderated": path.at(strongest(path)),
        "moderated, band of loss 0.05": path.at(strongest(path, loss=0.05)),
        "moderated, lowest loss": path.at(int(path.losses().mean(axis=1).argmin())),
    }
    for name, places in (("", (0,)), *MORE_VIEWS.items()):
        views = draw.views[list(places)]
        title = f"LDA, moderated, rows {name}" if name else "LDA, moderated"
        for loss in (0, 0.05, 0.1) if len(places) in {1, 3} else (0,):
            fitted = fit_few(
                views[0], draw.labels, draw.n_classes, views=views[1:], folds=FOLDS, neighbours=5, seed=draw.seed,
                noise_loss=loss,
            )  # fmt: skip
            spread = np.concatenate(views).std(axis=0, dtype=np.float64)[:, None]
            told[f"{title}, softer by {loss:g} nats" if loss else title] = Told(
                held=fitted.probe.predict(draw.held[0]),
                norm=float(np.sqrt(np.square(fitted.probe.kernel / fitted.probe.scale[:, None] * spread).sum())),
                chosen=1.0,
                estimate=float(fitted.out_of_fold.mean()),
            )
    return told


def moderate_views(draw: Draw) -> dict[str, Told]:
    """Further views as rows, and a moderated spread; chosen as today, and by a narrower band of loss."""
    told = {}
    for name, places in MORE_VIEWS.items():
        rows = np.concatenate(draw.views[list(places)])
        x, held = standardised(rows, draw.held[0])
        path = path_of(x, held, draw, views=len(places), factor=moderated(rows))
        told[f"moderated, rows {name}"] = path.at(strongest(path))
        told[f"moderated, rows {name}, band of loss 0.05"] = path.at(strongest(path, loss=0.05))
    return told


def moderated(features: np.ndarray) -> np.ndarray:
    """What standardised features (n, d) are multiplied by, so that they are divided by a moderated spread."""
    n, power = len(features), features.var(axis=0, dtype=np.float64)
    return np.sqrt(power * (n + 1) / np.maximum(n * power + power.mean(), 1e-12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A function that fits a draw in one or more ways, each told under its own name."""

    names: tuple[str, ...]
    fit: Callable[[Draw], dict[str, Told]]
    few_only: bool = False  # not on all images


def _named(fit: Callable[[Draw], dict[str, Told]], *, few_only: bool = False) -> Setting:
    rng = np.random.default_rng(1)
    labels = np.tile(np.arange(2), 8)
    toy = Draw(
        views=rng.normal(size=(5, 16, 6)).astype(np.float32) + labels[:, None],
        labels=labels,
        n_classes=2,
        first_tap=2,
        held=rng.normal(size=(2, 3, 6)).astype(np.float32),
        seed=1,
    )
    return Setting(names=tuple(name for name in fit(toy)), fit=fit, few_only=few_only)


SETTINGS = (
    _named(by_c),
    _named(scales),
    _named(ridge),
    _named(discriminant),
    _named(groups),
    _named(selection, few_only=True),
    _named(more_views, few_only=True),
    _named(moderate),
    _named(moderate_views, few_only=True),
)
