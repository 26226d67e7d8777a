"""The workspace: the folder with datasets, jobs, results and saved views.

``<root>/cache`` is the artifact store, ``<root>/jobs`` the queue, and ``<root>/datasets/<name>`` an imported
dataset: ``dataset.json``, ``clips.parquet``, ``classes.parquet``, ``report.parquet`` and, if clips have
several captions, ``captions.parquet``. The sounds are not copied. The folder is `--workspace`, else
``$HEARSPACE_HOME``, else the user's data folder.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cache import ArtifactStore
from jobs.encoders import imported
from jobs.engine import compiled
from jobs.engine.queue import Queue, State
from jobs.files import read_json
from jobs.specs import DatasetRef, EmbedAudio, EmbedText, SpecError, Synthesize, from_json
from jobs.workspace import dataset_files
from jobs.workspace.dataset_files import NAME

if TYPE_CHECKING:
    import pandas as pd

    from jobs.datasets.importer import Imported

E = TypeVar("E", EmbedAudio, EmbedText)


class WorkspaceError(ValueError):
    """A request to the workspace is impossible; the message says what to do."""


class UnknownDataset(WorkspaceError):
    """No dataset has this name."""


class WorkerBusy(WorkspaceError):
    """Another worker serves this workspace."""


@dataclass(frozen=True)
class Space:
    """An embedding of a dataset by an encoder, computed or submitted."""

    encoder: str
    spec: EmbedAudio
    state: State


@dataclass(frozen=True)
class TextSpace:
    """An embedding of the texts of a dataset by a text encoder, computed or submitted."""

    name: str
    spec: EmbedText
    state: State


class Dataset:
    """A dataset of the workspace: its clip table, its classes and the paths of its sounds.

    Attributes
    ----------
    name, adapter, description, note : str
        `note` must be shown wherever the dataset is named ("" for recordings).
    root : Path
        The folder with the sounds; `audio_path` never leaves it.
    fingerprint, labels_fingerprint : str
        Checksums of the sounds, and of their labels.
    source : Synthesize or None
        The spec whose result holds the clips of a generated dataset.
    earlier : tuple of str
        Earlier fingerprints, the most recent first.
    """

    def __init__(self, workspace: Workspace, folder: Path, about: dict[str, Any]) -> None:
        self._workspace = workspace
        self._folder = folder
        self.name: str = about["name"]
        self.adapter: str = about["adapter"]
        self.options: dict[str, str] = about.get("options", {})
        self.note: str = about.get("note", "")
        self.description: str = about.get("description", "")
        self.created: float = about.get("created", 0.0)
        self.earlier: tuple[str, ...] = tuple(about.get("earlier", ()))
        self.source: Synthesize | None = None
        if about.get("source"):
            source = from_json(about["source"])
            if not isinstance(source, Synthesize):
                raise SpecError(f"a {type(source).__name__} generates no clips")
            self.source = source
            self.fingerprint = source.key
            self.root = workspace.cache.folder(source.key) / "audio"
        else:
            self.fingerprint = about["fingerprint"]
            self.root = Path(about["root"])
        self.labels_fingerprint: str = about.get("labels_fingerprint", self.fingerprint)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, adapter={self.adapter!r})"

    @property
    def ref(self) -> DatasetRef:
        """The dataset as a field of a spec."""
        names = imported.meanings(self._workspace.root, self.fingerprint)
        identities = {name: meaning.identity for name, meaning in names.items()}
        return DatasetRef(self.name, self.fingerprint, self.source, identities)

    @property
    def ready(self) -> bool:
        """Whether the sounds exist: False for a generated dataset until its job is done."""
        return self.source is None or self._workspace.cache.contains(self.source.key)

    @property
    def n_clips(self) -> int:
        """Number of clips."""
        return len(self.clips)

    @cached_property
    def clips(self) -> pd.DataFrame:
        """The clip table, in the order of the rows of every embedding, which may exclude some clips."""
        if self.source is None:
            return self._read("clips")
        if self.ready:
            return self._workspace.cache.open(self.source.key).table("clips").to_pandas()
        from jobs.datasets import synthetic

        return synthetic.plan(self.source)

    @cached_property
    def captions(self) -> pd.DataFrame:
        """One row per caption: clip_id, caption; `jobs.workspace.captions.captions_of` cleans them."""
        if (self._folder / "captions.parquet").is_file():
            return self._read("captions")
        if self.source is not None:
            from jobs.datasets import synthetic

            return synthetic.caption_table(self.source)
        # Most datasets have one caption per clip, or none.
        return self.clips.reindex(columns=["clip_id", "caption"])

    @cached_property
    def classes(self) -> pd.DataFrame:
        """One row per class: label, family, description (null if unknown)."""
        return self._read("classes")

    @cached_property
    def report(self) -> pd.DataFrame:
        """Files that the import excluded or remarked on: path, status, reason."""
        return self._read("report")

    def audio_path(self, clip_id: str) -> Path:
        """Return the file of a clip.

        Raises
        ------
        WorkspaceError
            For an unknown clip, or a file outside the dataset's root.
        """
        relative = self._paths.get(clip_id)
        if relative is None:
            raise WorkspaceError(f"Dataset {self.name} has no clip {clip_id!r}.")
        path = self.root / relative
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise WorkspaceError(
                f"Clip {clip_id!r} of {self.name} lies outside {self.root}; import it again."
            )
        return path

    @cached_property
    def _paths(self) -> dict[str, str]:
        clips = self.clips
        return dict(zip(clips["clip_id"], clips["path"], strict=True))

    def _read(self, name: str) -> pd.DataFrame:
        import pandas as pd

        path = self._folder / f"{name}.parquet"
        try:
            return pd.read_parquet(path, page_checksum_verification=True)
        except PermissionError:
            raise
        except Exception:  # the libraries' own messages about such files do not help
            raise WorkspaceError(f"{path} is not a whole table; {dataset_files.remedy(self.name)}.") from None


class Workspace:
    """The datasets, jobs and results of a user or project, in one folder.

    Parameters
    ----------
    root : Path
        Created by the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        existing = next(p for p in (self.root, *self.root.parents) if p.exists())
        if not existing.is_dir():
            raise WorkspaceError(f"{existing} is a file; a workspace is a folder: give another --workspace.")
        compiled.settle(self.root)
        self.cache = ArtifactStore(self.root / "cache")
        self.queue = Queue(self.root / "jobs", self.cache)
        self._known: dict[str, tuple[int, bool, Dataset]] = {}

    @classmethod
    def open(cls, root: Path | str | None = None) -> Workspace:
        """Open the workspace at `root`, else ``$HEARSPACE_HOME``, else the user's data folder."""
        if root is None:
            root = os.environ.get("HEARSPACE_HOME") or None
        if root is None:
            import platformdirs

            root = platformdirs.user_data_path("hearspace")
        workspace = cls(Path(root))
        dataset_files.mend(workspace.root / "datasets")
        return workspace

    # -- datasets -----------------------------------------------------------------------------------

    def datasets(self) -> list[Dataset]:
        """All readable datasets, by name; see `damaged` for the others."""
        return self._survey()[0]

    def damaged(self) -> list[str]:
        """A sentence for each dataset that is damaged or may not be read: what is wrong and what to do."""
        return self._survey()[1]

    def _survey(self) -> tuple[list[Dataset], list[str]]:
        datasets, problems = [], []
        for name in self._names():
            try:
                datasets.append(self.dataset(name))
            except UnknownDataset:
                continue  # removed meanwhile
            except WorkspaceError as error:
                problems.append(str(error))
        return datasets, problems

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by name.

        Raises
        ------
        UnknownDataset
            With the existing names, or how to add a dataset.
        WorkspaceError
            For a dataset that is damaged, may not be read, or is of another version.
        """
        folder = self.root / "datasets" / name
        if not self.has_dataset(name):
            names = self._names()
            existing = f"there are: {', '.join(names)}" if names else "there is none yet"
            raise UnknownDataset(
                f"No dataset {name!r} in {self.root}; {existing}. `hearspace add NAME FOLDER` adds one."
            )
        try:
            stamp = dataset_files.stamp(folder)
        except OSError:
            stamp = -1
        known = self._known.get(name)
        # A generated dataset changes when its sounds are generated.
        if known is not None and known[0] == stamp and known[1] == known[2].ready:
            return known[2]
        flaw = dataset_files.flaw(folder, self.root)
        if flaw is not None:
            raise WorkspaceError(flaw)
        try:
            dataset = Dataset(self, folder, read_json(folder / "dataset.json") or {})
        except (KeyError, ValueError) as error:
            raise WorkspaceError(
                f"Dataset {name} was added by another version of hearspace ({error}); add it again."
            ) from None
        self._known[name] = (stamp, dataset.ready, dataset)
        return dataset

    def has_dataset(self, name: str) -> bool:
        """Whether a dataset of this name exists, whole or damaged."""
        return NAME.fullmatch(name) is not None and (self.root / "datasets" / name).is_dir()

    def dataset_for(self, ref: DatasetRef) -> Dataset:
        """Return the dataset of a spec; raises `WorkspaceError` if its sounds have changed since."""
        named: list[Dataset] = []
        problem = WorkspaceError(
            f"The sounds of {ref.name} have changed since this was submitted; submit it again."
        )
        try:
            named.append(self.dataset(ref.name))
        except UnknownDataset:
            problem = UnknownDataset(f"Dataset {ref.name!r} is no longer in {self.root}; add it again.")
        except WorkspaceError as error:
            problem = error
        for dataset in (*named, *self.datasets()):
            if dataset.fingerprint == ref.fingerprint:
                return dataset
        raise problem

    def add_dataset(
        self,
        name: str,
        imported: Imported,
        *,
        adapter: str,
        root: Path,
        options: dict[str, str] | None = None,
        description: str = "",
    ) -> Dataset:
        """Add an imported dataset; it replaces an earlier one of this name, whose results stay cached."""
        from jobs.workspace import attached

        old = attached.dataset_before(self, name)
        about = {
            "name": checked_name(name),
            "adapter": adapter,
            "root": str(root.absolute()),
            "options": options or {},
            "description": description,
            "fingerprint": imported.fingerprint,
            "labels_fingerprint": imported.labels_fingerprint,
            "created": time.time(),
            "earlier": attached.earlier(old, imported.fingerprint),
        }
        tables = {"clips": imported.clips, "classes": imported.classes, "report": imported.report}
        if imported.captions is not None:
            tables["captions"] = imported.captions
        dataset = self._store(name, about, tables)
        attached.carry_over(self, old, dataset)
        return dataset

    def add_synthetic(self, name: str, spec: Synthesize) -> Dataset:
        """Add a synthetic dataset, whose sounds are generated by a job."""
        import pandas as pd

        from jobs.datasets import synthetic

        about = {
            "name": checked_name(name),
            "adapter": "synthetic",
            "source": spec.to_json(),
            "note": synthetic.NOTE,
            "description": synthetic.description(spec),
            "created": time.time(),
        }
        report = pd.DataFrame({"path": [], "status": [], "reason": []}, dtype="str")
        return self._store(name, about, {"classes": synthetic.class_table(spec.classes), "report": report})

    def remove_dataset(self, name: str) -> None:
        """Remove a dataset; its sounds and its cached results are kept."""
        if not self.has_dataset(name):
            self.dataset(name)  # raises
        shutil.rmtree(self.root / "datasets" / name)
        self._known.pop(name, None)

    def _store(self, name: str, about: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Dataset:
        dataset_files.store(self.root / "datasets", name, about, tables)
        return self.dataset(name)

    def _names(self) -> list[str]:
        try:
            entries = os.scandir(self.root / "datasets")
            return sorted(e.name for e in entries if NAME.fullmatch(e.name) and e.is_dir())
        except FileNotFoundError:
            return []

    # -- spaces -------------------------------------------------------------------------------------

    def spaces(self, dataset: Dataset) -> list[Space]:
        """Spaces of a dataset, by encoder: first the computed ones, then those with an unfinished job."""
        names = imported.meanings(self.root, dataset.fingerprint)
        spaces: dict[str, Space] = {}
        for spec, state in self._embeddings(EmbedAudio, dataset):
            # If an imported name was reused, only its current embeddings.
            if spec.encoder not in names or names[spec.encoder].identity == spec.identity:
                spaces.setdefault(spec.encoder, Space(spec.encoder, spec, state))
        return sorted(spaces.values(), key=lambda s: (s.state != "done", s.encoder))

    def text_spaces(self, dataset: Dataset) -> list[TextSpace]:
        """Spaces of the names and descriptions of a dataset's classes, in the order of `spaces`.

        Spaces of texts that have changed since are excluded.
        """
        from jobs.workspace.texts import texts_fingerprint, texts_of

        current: dict[str, str] = {}
        for of in ("label", "description"):
            with suppress(ValueError):
                current[of] = texts_fingerprint(texts_of(dataset, of))
        spaces: dict[str, TextSpace] = {}
        for spec, state in self._embeddings(EmbedText, dataset):
            if current.get(spec.of) == spec.texts:
                sentence = "" if spec.template == "{}" else f" in “{spec.template}”"
                name = f"{spec.encoder} · {spec.of}s{sentence}"
                spaces.setdefault(name, TextSpace(name, spec, state))
        return sorted(spaces.values(), key=lambda s: (s.state != "done", s.name))

    def _embeddings(self, kind: type[E], dataset: Dataset) -> Iterator[tuple[E, State]]:
        """Yield the embeddings of a dataset of one kind: computed ones, then those with an unfinished job."""
        for info in self.cache.list(type=kind.__name__):
            if (spec := _embedding_of(info.spec, kind, dataset)) is not None:
                yield spec, "done"
        for job in self.queue.jobs():
            if job.spec.get("type") != kind.__name__ or job.state == "done":
                continue
            if (spec := _embedding_of(job.spec, kind, dataset)) is not None:
                yield spec, job.state

    def evict(self, max_bytes: int) -> list[str]:
        """Remove the least recently used results until at most `max_bytes` are left.

        The inputs and results of pending jobs, the sounds of generated datasets, and imported embeddings,
        which cannot be computed again, are always kept.
        """
        self.cache.clean()
        keep = self.queue.needed() | {d.fingerprint for d in self.datasets() if d.source is not None}
        return self.cache.evict(max_bytes, keep=keep | imported.keys(self.root))


def checked_name(name: str) -> str:
    """Return `name` if it is a valid name of a dataset; raises `WorkspaceError` with the rule."""
    if not NAME.fullmatch(name):
        raise WorkspaceError(
            f"{name!r} cannot name a dataset; use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a "
            "letter or digit."
        )
    return name


def _embedding_of(spec: dict[str, Any], kind: type[E], dataset: Dataset) -> E | None:
    """Return the spec if it embeds this dataset and this version can still compute it."""
    try:
        if spec["fields"]["dataset"]["dataset"]["fingerprint"] != dataset.fingerprint:
            return None
        parsed = from_json(spec)
    except (KeyError, TypeError, SpecError):
        return None
    return parsed if isinstance(parsed, kind) else None
