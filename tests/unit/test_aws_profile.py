"""The profile in the user's AWS files: ours is set, every other byte stays."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from undercast.commands import aws_profile
from undercast.running import Running

SERVER = Running(
    1, "http://127.0.0.1:4566", "127.0.0.1", 4566, "0" * 12, "us-east-1", "AKIA", "se=cret", 0.0, "1", {}
)
VALUES = {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:4566"}
OURS = "[profile undercast]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:4566\n"
OTHERS = """# my settings ; keep
[default]
region=eu-west-1
s3 =
    max_concurrent_requests = 20
    region = not-a-setting

  [profile  odd name ]
role_arn    = arn:aws:iam::1:role/x   # spaces matter to nobody
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", OURS),
        (OTHERS, OTHERS + "\n" + OURS),
        (OTHERS.rstrip(), OTHERS + "\n" + OURS),
        (OTHERS + "\n" + OURS + "\n[last]\nx=1", OTHERS + "\n" + OURS + "\n[last]\nx=1"),
        (
            "[ profile   undercast ]\nregion = x\n# a note\noutput = json\n\n[z]\n",
            "[ profile   undercast ]\nregion = us-east-1\n# a note\noutput = json\n"
            "endpoint_url = http://127.0.0.1:4566\n\n[z]\n",
        ),
        ("[profile undercast]", OURS),
        (
            "[profile undercast]\ns3 =\n  region = a\nregion = b\nendpoint_url = c\n",
            "[profile undercast]\ns3 =\n  region = a\nregion = us-east-1\nendpoint_url = http://127.0.0.1:4566\n",
        ),
        ("[a]\r\nx=1\r\n", "[a]\r\nx=1\r\n\r\n" + OURS.replace("\n", "\r\n")),
    ],
)
def test_everything_else_stays_byte_for_byte(before: str, after: str) -> None:
    assert aws_profile.edited(before, "profile undercast", VALUES) == after
    assert aws_profile.edited(after, "profile undercast", VALUES) == after


def test_files_are_written_with_care(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, credentials = tmp_path / "dir" / "config", tmp_path / "real"
    link = tmp_path / "credentials"
    link.symlink_to(credentials)
    credentials.write_bytes(b"[other]\naws_access_key_id = \xff\xfe\n")
    credentials.chmod(0o644)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(link))
    aws_profile.write(SERVER)
    assert config.read_text() == OURS
    assert link.is_symlink()
    assert credentials.read_bytes().startswith(b"[other]\naws_access_key_id = \xff\xfe\n")
    assert credentials.stat().st_mode & 0o777 == 0o600
    parser = configparser.ConfigParser()
    parser.read_string(credentials.read_text(errors="replace"))
    assert parser["undercast"]["aws_secret_access_key"] == "se=cret"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials", "dir", "real"]
