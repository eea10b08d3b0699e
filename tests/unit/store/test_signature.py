"""A head that somebody signed: whoever keeps the file can prove what stood, and who said so."""

import subprocess

import pytest

from labctl.cli.main import main
from labctl.errors import StoreError, UsageError
from labctl.store.entry import Entry
from labctl.store.journal import Journal
from labctl.store.signature import SignedHead, read, sign
from tests.unit.store.making import batch, entries, new_run

HEAD = SignedHead("e6d3", 7, "72cf" * 16, "2026-11-29T05:00:00Z")


@pytest.fixture
def keys(tmp_path):
    for name in ("me", "other"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(made, check=True, timeout=30)
    (tmp_path / "signers").write_text(f"me@lab {(tmp_path / 'me.pub').read_text()}")
    return tmp_path


def test_a_signed_head_is_read_back_with_who_signed_it(keys):
    sign(HEAD, keys / "me", keys / "head.sig")
    assert read(keys / "head.sig", keys / "signers") == (HEAD, "me@lab")
    head, by = read(keys / "head.sig")
    assert (head, by.startswith("ED25519 key SHA256:")) == (HEAD, True)


def test_a_head_of_another_key_or_with_a_changed_word_is_refused(keys):
    sign(HEAD, keys / "other", keys / "head.sig")
    with pytest.raises(StoreError, match=r"somebody in .*signers"):
        read(keys / "head.sig", keys / "signers")
    text = (keys / "head.sig").read_text()
    for old, new in (("commit 7", "commit 8"), ("72cf", "72ce"), ("e6d3", "e6d4"), ("05:00", "06:00")):
        (keys / "changed.sig").write_text(text.replace(old, new, 1))
        with pytest.raises(StoreError, match="wanted a signature of its text"):
            read(keys / "changed.sig")


@pytest.mark.parametrize(
    "text", ["", "labctl head 1\n", "x" * 100_000, HEAD.text(), HEAD.text() + "-----BEGIN SSH SIGNATURE-----\n"]
)
def test_what_is_no_signed_head_is_refused(tmp_path, text):
    (tmp_path / "head.sig").write_text(text)
    with pytest.raises((UsageError, StoreError)):
        read(tmp_path / "head.sig")


def test_a_file_that_is_there_is_not_written_over_and_a_key_that_is_none_is_said(keys):
    sign(HEAD, keys / "me", keys / "head.sig")
    with pytest.raises(UsageError, match="wanted a new file"):
        sign(HEAD, keys / "me", keys / "head.sig")
    with pytest.raises(UsageError, match="signers"):
        sign(HEAD, keys / "signers", keys / "other.sig")


def test_verify_signs_a_whole_journal_and_proves_by_the_file_that_it_stands(keys, monkeypatch, capsys):
    monkeypatch.chdir(keys)
    with Journal.open(keys / "data") as journal:
        run = journal.create_run(new_run())
        for entry in entries(run, batch(40), 10):
            journal.commit([entry])
    words = ["verify", "--db", str(keys / "data")]
    assert main([*words, "--sign", str(keys / "me")]) == 0
    (file,) = keys.glob("labctl-*.sig")
    assert main([*words, "--against", str(file), "--signers", "signers"]) == 0
    assert "by me@lab" in capsys.readouterr().err
    with Journal.open(keys / "data") as journal:
        journal.commit([Entry(run, batch(50).rows(40, 50), 40, 1)])
    assert main([*words, "--against", str(file)]) == 0
    with Journal.open(keys / "another") as journal:
        journal.create_run(new_run())
    capsys.readouterr()
    assert main(["verify", "--db", str(keys / "another"), "--against", str(file)]) == 1
    assert "found one of journal" in capsys.readouterr().err
