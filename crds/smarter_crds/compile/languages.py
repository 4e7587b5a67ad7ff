"""Sentences that a bot says in its own language unless its owner words them."""

DISCLOSURES = {
    "ar": "أنت تتحدث إلى ذكاء اصطناعي.",
    "ca": "Estàs parlant amb una IA.",
    "cs": "Mluvíte s umělou inteligencí.",
    "da": "Du taler med en AI.",
    "de": "Du sprichst mit einer KI.",
    "en": "You are talking to an AI.",
    "es": "Estás hablando con una IA.",
    "fi": "Keskustelet tekoälyn kanssa.",
    "fr": "Vous parlez à une IA.",
    "it": "Stai parlando con un'IA.",
    "ja": "AIがお答えしています。",
    "ko": "AI와 대화하고 있습니다.",
    "nb": "Du snakker med en KI.",
    "nl": "Je praat met een AI.",
    "pl": "Rozmawiasz ze sztuczną inteligencją.",
    "pt": "Você está falando com uma IA.",
    "ru": "Вам отвечает искусственный интеллект.",
    "sv": "Du pratar med en AI.",
    "tr": "Bir yapay zekâ ile konuşuyorsunuz.",
    "uk": "Ви спілкуєтеся зі штучним інтелектом.",
    "zh": "您正在与人工智能对话。",
    "zh-hant": "您正在與人工智慧對話。",
}

_TRADITIONAL_CHINESE = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")


def disclosure(language: str) -> str:
    """Return the sentence that tells visitors they talk to an AI; in English where we have none in `language`."""
    tag = language.lower()
    if tag.startswith(_TRADITIONAL_CHINESE):
        return DISCLOSURES["zh-hant"]
    return DISCLOSURES.get(tag.split("-")[0], DISCLOSURES["en"])
