"""The one settings object: defaults, a TOML file, the environment and flags, the later winning."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


def default_data() -> Path:
    """Where state lives when nobody says: the system's place for root, the user's own otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/undercast")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "undercast"


def config_file() -> Path:
    """The TOML file that is read when it exists (`UNDERCAST_CONFIG` names another one)."""
    if named := os.environ.get("UNDERCAST_CONFIG"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/etc/undercast/undercast.toml")
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "undercast" / "undercast.toml"


class Settings(BaseSettings):
    """Everything a user may set. Environment variables carry the prefix `UNDERCAST_`."""

    model_config = SettingsConfigDict(env_prefix="UNDERCAST_", extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(4566, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    data: Path = Field(default_factory=default_data, description="Folder that holds all state.")
    auth: Literal["on", "off"] = Field("on", description="Verify signatures; off only on loopback.")
    region: str = Field(
        "us-east-1",
        pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$",
        description="Default region, also the one `undercast env` prints.",
    )
    account: str = Field("000000000000", pattern=r"^\d{12}$", description="The first account's number.")
    database: str | None = Field(None, description="SQLAlchemy URL; SQLite in the data folder when unset.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Server log level.")
    aws_config: bool = Field(True, description="Write the profile `undercast` into the user's AWS config.")

    hosts_file: bool = Field(
        True, description="Keep the names of APIs and instances in /etc/hosts (needs root)."
    )

    functions_enabled: bool = Field(True, description="Run functions on this machine.")
    functions_runtime_fallback: bool = Field(
        True, description="Run a missing Python runtime on the nearest newer one; false refuses it."
    )
    functions_idle_s: float = Field(300.0, gt=0, description="Idle environments go after this many seconds.")
    functions_concurrency: int = Field(1000, ge=1, description="Account concurrency limit per region.")
    functions_retry_s: float = Field(
        60.0,
        gt=0,
        description="Pause before an asynchronous event's first retry; the second waits twice that.",
    )
    functions_hot_reload: bool | None = Field(
        None,
        description="Run folders of this machine as code (S3Bucket=hot-reload); unset: on loopback only.",
    )

    servers_enabled: bool = Field(True, description="Run instances on this machine, through Incus.")
    public_pool: str = Field("198.18.0.0/16", description="Addresses handed out as public ones.")
    public_pool_on_lan: bool = Field(
        False, description="The pool belongs to the surrounding network: answer ARP for it."
    )
    dns_suffix: str = Field("undercast.internal", description="Domain of public DNS names.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before the TOML file."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file()))

    @model_validator(mode="after")
    def _auth_off_stays_home(self) -> Self:
        if self.auth == "off" and not self.loopback:
            raise ValueError(f"auth=off is only allowed on a loopback address, not on {self.host}")
        return self

    @property
    def loopback(self) -> bool:
        """Whether the listening address is reachable from this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database or f"sqlite:///{self.data / 'undercast.db'}"

    @property
    def host_id(self) -> str:
        """Six hex digits of this data folder: part of every host-global name a server makes."""
        return hashlib.sha256(str(self.data.resolve()).encode()).hexdigest()[:6]

    def shown(self) -> dict[str, Any]:
        """The settings as plain values for people to read: a database's password is left out."""
        values = self.model_dump(mode="json")
        if self.database is not None:
            values["database"] = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.database)
        return values

    def replace(self, **changes: Any) -> Settings:
        """The same settings with some of them changed."""
        return self.model_copy(update=changes)
