"""Where the cluster keeps its files: the only place that reads the environment."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The folders of the XDG base directory specification."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    xdg_cache_home: Path = Path.home() / ".cache"
    """What can be made again: programs, base images, the Go toolchain."""

    xdg_state_home: Path = Path.home() / ".local" / "state"
    """What a running cluster needs: one folder per cluster, gone after `down`."""

    @property
    def cache(self) -> Path:
        return self.xdg_cache_home / "smarter-cluster"

    @property
    def state(self) -> Path:
        return self.xdg_state_home / "smarter-cluster"
