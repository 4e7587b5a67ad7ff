"""The chat page of a bot: what the spec says, filled in from name and language."""

from smarter_crds.app import App, Theme
from smarter_crds.chatbot import Chatbot
from smarter_crds.chatbot_status import AppDefaults
from smarter_crds.compile.languages import disclosure
from smarter_crds.runtime_config import AppConfig, ThemeConfig


def app_config(chatbot: Chatbot, language: str) -> AppConfig:
    """Build the skin of the chat page."""
    app = chatbot.spec.app or App()
    theme = app.theme or Theme()
    title = app.title or words(chatbot.metadata.name)
    return AppConfig(
        title=title,
        assistant_name=app.assistant_name or title,
        welcome_message=app.welcome_message or "",
        example_prompts=app.example_prompts,
        placeholder=app.placeholder or "",
        info_url=app.info_url or "",
        logo_url=app.logo_url or "",
        background_image_url=app.background_image_url or "",
        disclosure=app.disclosure or disclosure(language),
        file_attachment=bool(app.file_attachment),
        theme=ThemeConfig(primary_color=theme.primary_color or "", color_scheme=theme.color_scheme or "Auto"),
    )


def app_defaults(chatbot: Chatbot, config: AppConfig) -> AppDefaults | None:
    """Return what was filled in about the chat page."""
    app = chatbot.spec.app or App()
    defaults = AppDefaults(
        title=None if app.title else config.title,
        assistant_name=None if app.assistant_name else config.assistant_name,
        disclosure=None if app.disclosure else config.disclosure,
    )
    return None if defaults == AppDefaults() else defaults


def words(name: str) -> str:
    """Write a resource's name as words: `shoe-support` becomes `Shoe Support`."""
    return " ".join(part.capitalize() for part in name.split("-") if part)
