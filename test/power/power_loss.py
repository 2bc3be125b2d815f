"""What a machine finds when power is back, made from the shadow that power.c keeps."""
import os
import shutil

PAGE, SECTOR = 4096, 512


class PowerLoss:
    """A data directory whose server runs with environment(), and is killed before lose()."""

    def __init__(self, library, data, shadow, rng):
        self.library, self.data, self.shadow, self.random = library, data, shadow, rng
        self.lost = self.torn = self.kept = self.names_lost = 0
        os.makedirs(data, exist_ok=True)
        self.prepare()

    def environment(self, lie=False):
        more = {"POWER_LIE": "1"} if lie else {}
        return dict(os.environ, LD_PRELOAD=self.library, POWER_DIR=self.data,
                    POWER_SHADOW=self.shadow, SATORI_RUNTIME="posix", **more)

    def prepare(self):
        """All that is in the directory is on the plates."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        for kind in ("real", "safe"):
            os.makedirs(os.path.join(self.shadow, kind))
        self.safe_names = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                inode = os.stat(path).st_ino
                self.safe_names[os.path.relpath(path, self.data)] = inode
                os.link(path, os.path.join(self.shadow, "real", str(inode)))
                copy(path, os.path.join(self.shadow, "safe", str(inode)))

    def lose(self):
        """Unsynced pages are kept, lost or torn between sectors, each as it happens; of the changes
        of a directory since its last sync the first few happened."""
        choice = self.random.random()
        luck = 0.0 if choice < 0.25 else 1.0 if choice < 0.35 else self.random.random()
        made = self.data + ".made"
        shutil.rmtree(made, ignore_errors=True)
        for folder, _, _ in os.walk(self.data):
            os.makedirs(os.path.join(made, os.path.relpath(folder, self.data)))
        for name, inode in self.names(luck).items():
            self.mix(inode, os.path.join(made, name), luck)
        shutil.rmtree(self.data)
        os.rename(made, self.data)
        self.prepare()

    def names(self, luck):
        with open(os.path.join(self.shadow, "names")) as log:
            changes = [line.split() for line in log]
        synced = {}
        for number, change in enumerate(changes):
            if change[0] == "S":
                synced[os.path.normpath(change[1])] = number
        names, broken = dict(self.safe_names), set()
        for number, (what, *words) in enumerate(changes):
            if what == "S":
                continue
            folder = os.path.dirname(words[0]) or "."
            if folder in broken or number > synced.get(folder, -1) and self.random.random() > luck:
                broken.add(folder)  # later changes of this directory are lost, too
                self.names_lost += 1
            elif what == "C":
                names[words[0]] = int(words[1])
            elif what == "U":
                names.pop(words[0], None)
            elif words[0] in names:
                names[words[1]] = names.pop(words[0])
        return names

    def mix(self, inode, path, luck):
        real = os.path.join(self.shadow, "real", str(inode))
        safe = os.path.join(self.shadow, "safe", str(inode))
        size_real = os.stat(real).st_size
        size_safe = os.stat(safe).st_size if os.path.exists(safe) else 0
        size = size_real if size_real != size_safe and self.random.random() < luck else size_safe
        with open(real, "rb") as new, open(path, "wb") as out:
            out.truncate(size)
            old = open(safe, "rb") if os.path.exists(safe) else None
            for offset in pages_with_data(new, old, size):
                ours = read_at(new, offset)
                theirs = read_at(old, offset)
                if ours != theirs:
                    ours = self.choose(theirs, ours, luck)
                if ours.strip(b"\0"):
                    out.seek(offset)
                    out.write(ours[:size - offset])
            if old is not None:
                old.close()

    def choose(self, old, new, luck):
        if self.random.random() < luck * 0.7:
            self.kept += 1
            return new
        if luck == 0 or self.random.random() > luck * 0.6:
            self.lost += 1
            return old
        self.torn += 1
        return b"".join((new if self.random.random() < 0.5 else old)[at:at + SECTOR]
                        for at in range(0, PAGE, SECTOR))


def read_at(file, offset):
    """A page; zeros where there is nothing."""
    if file is None:
        return bytes(PAGE)
    file.seek(offset)
    return file.read(PAGE).ljust(PAGE, b"\0")


def pages_with_data(new, old, size):
    """Offsets of pages that either file has data for, holes left out."""
    pages = set()
    for file in (new, old):
        at = 0
        end = min(size, os.fstat(file.fileno()).st_size) if file is not None else 0
        while at < end:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            pages.update(range(begin // PAGE * PAGE, min(at, end), PAGE))
    return sorted(pages)


def copy(source, target):
    """With its holes."""
    with open(source, "rb") as file, open(target, "wb") as out:
        size = os.fstat(file.fileno()).st_size
        out.truncate(size)
        for offset in pages_with_data(file, None, size):
            data = read_at(file, offset)
            if data.strip(b"\0"):
                out.seek(offset)
                out.write(data[:size - offset])
