"""The skin of the chat page."""

from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.fields import RequiredText, ShortText, ShortUrl

ColorScheme = Literal["Auto", "Light", "Dark"]
Color = Annotated[str, Field(max_length=7, pattern=r"^#[0-9a-fA-F]{6}$")]


class Theme(ApiModel):
    """Colours of the chat page."""

    primary_color: Color | None = Field(
        None, description="Colour of buttons and links as `#rrggbb`. Default: the page's own."
    )
    color_scheme: ColorScheme | None = Field(
        None, description="`Light`, `Dark`, or `Auto`, which follows the visitor's system. Default: `Auto`."
    )


class App(ApiModel):
    """What the chat page shows."""

    title: RequiredText | None = Field(
        None, description="Title of the page. Default: the Chatbot's name, written as words."
    )
    assistant_name: RequiredText | None = Field(
        None, description="Name under which the bot answers. Default: the title."
    )
    welcome_message: ShortText | None = Field(
        None, description="First message that a visitor sees; not sent to the model. Default: none."
    )
    example_prompts: tuple[RequiredText, ...] = Field(
        (), max_length=12, description="Questions that a visitor can send with one click. Default: none."
    )
    placeholder: ShortText | None = Field(
        None, description="Text in the empty input field. Default: the page's own, in the bot's language."
    )
    info_url: ShortUrl | None = Field(None, description="Address of a page about the bot. Default: no link is shown.")
    logo_url: ShortUrl | None = Field(None, description="Address of the logo. Default: no logo is shown.")
    background_image_url: ShortUrl | None = Field(
        None, description="Address of the picture behind the conversation. Default: none."
    )
    disclosure: RequiredText | None = Field(
        None,
        description="Sentence which tells visitors that they are talking to an AI; it can be reworded but not emptied. "
        "Default: such a sentence in the bot's language.",
    )
    file_attachment: bool | None = Field(
        None,
        description="Whether visitors may attach text files to a question; their text counts as part of it, so that "
        "`limits.maxPromptCharacters` bounds them. Default: false.",
    )
    theme: Theme | None = Field(None, description="Colours of the page. Default: the page's own.")
