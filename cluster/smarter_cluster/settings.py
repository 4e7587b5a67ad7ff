"""What comes from the environment: where the cluster keeps its files, and the demo's key."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The folders of the XDG base directory specification, and a key."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    xdg_cache_home: Path = Path.home() / ".cache"
    """What can be made again: programs, base images, the Go toolchain."""

    xdg_state_home: Path = Path.home() / ".local" / "state"
    """What a running cluster needs: one folder per cluster, gone after `down`."""

    openai_api_key: SecretStr = SecretStr("")
    """Key with which the demo's bot calls OpenAI, if it is asked to."""

    @property
    def cache(self) -> Path:
        return self.xdg_cache_home / "smarter-cluster"

    @property
    def state(self) -> Path:
        return self.xdg_state_home / "smarter-cluster"
