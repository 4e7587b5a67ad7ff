"""Sentences that a bot says in its own language unless its owner words them."""

from collections.abc import Mapping

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

MAINTENANCE = {
    "ar": "أنا غير متاح حاليًا بسبب أعمال الصيانة. يُرجى المحاولة لاحقًا.",
    "ca": "Ara mateix no hi soc per tasques de manteniment. Torneu-ho a provar més tard.",
    "cs": "Právě probíhá údržba. Zkuste to prosím později.",
    "da": "Jeg er ikke tilgængelig lige nu på grund af vedligeholdelse. Prøv igen senere.",
    "de": "Ich bin gerade wegen Wartungsarbeiten nicht erreichbar. Bitte versuchen Sie es später noch einmal.",
    "en": "I am away for maintenance. Please try again later.",
    "es": "No estoy disponible por tareas de mantenimiento. Inténtelo de nuevo más tarde.",
    "fi": "En ole juuri nyt tavoitettavissa huoltotöiden vuoksi. Yritä myöhemmin uudelleen.",
    "fr": "Je suis indisponible pour maintenance. Veuillez réessayer plus tard.",
    "it": "Non sono disponibile per manutenzione. Riprova più tardi.",
    "ja": "ただいまメンテナンス中です。しばらくしてからもう一度お試しください。",
    "ko": "현재 점검 중입니다. 나중에 다시 시도해 주세요.",
    "nb": "Jeg er utilgjengelig på grunn av vedlikehold. Prøv igjen senere.",
    "nl": "Ik ben even niet bereikbaar vanwege onderhoud. Probeer het later opnieuw.",
    "pl": "Trwa konserwacja. Spróbuj ponownie później.",
    "pt": "Estou indisponível para manutenção. Tente novamente mais tarde.",
    "ru": "Сейчас идут технические работы. Пожалуйста, попробуйте позже.",
    "sv": "Jag är inte tillgänglig just nu på grund av underhåll. Försök igen senare.",
    "tr": "Şu anda hizmet veremiyorum. Lütfen daha sonra tekrar deneyin.",
    "uk": "Зараз тривають технічні роботи. Будь ласка, спробуйте пізніше.",
    "zh": "正在维护。请稍后再试。",
    "zh-hant": "正在維護。請稍後再試。",
}

KEY_ONLY = {
    "ar": "أجيب عن البرامج التي لديها مفتاح API فقط.",
    "ca": "Només responc a programes que tenen una clau d'API.",
    "cs": "Odpovídám pouze programům s klíčem API.",
    "da": "Jeg svarer kun programmer med en API-nøgle.",
    "de": "Ich antworte nur Programmen mit einem API-Schlüssel.",
    "en": "I answer only programs that have an API key.",
    "es": "Solo respondo a programas que tienen una clave de API.",
    "fi": "Vastaan vain ohjelmille, joilla on API-avain.",
    "fr": "Je ne réponds qu'aux programmes disposant d'une clé d'API.",
    "it": "Rispondo solo ai programmi che hanno una chiave API.",
    "ja": "APIキーを持つプログラムにのみお答えします。",
    "ko": "API 키가 있는 프로그램에만 답합니다.",
    "nb": "Jeg svarer bare programmer med en API-nøkkel.",
    "nl": "Ik antwoord alleen aan programma's met een API-sleutel.",
    "pl": "Odpowiadam tylko programom z kluczem API.",
    "pt": "Respondo apenas a programas com uma chave de API.",
    "ru": "Я отвечаю только программам, имеющим ключ API.",
    "sv": "Jag svarar bara program med en API-nyckel.",
    "tr": "Ziyaretçilerle konuşmuyorum; programlar bana API ile ulaşabilir.",
    "uk": "Я відповідаю лише програмам із ключем API.",
    "zh": "我只回答持有 API 密钥的程序。",
    "zh-hant": "我只回答持有 API 金鑰的程式。",
}

_TRADITIONAL_CHINESE = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")


def disclosure(language: str) -> str:
    """Return the sentence that tells visitors they talk to an AI; in English where we have none in `language`."""
    return _sentence(DISCLOSURES, language)


def maintenance(language: str) -> str:
    """Return the sentence of a bot that is away; in English where we have none in `language`."""
    return _sentence(MAINTENANCE, language)


def key_only(language: str) -> str:
    """Return the sentence of a bot that visitors cannot talk to; in English where we have none in `language`."""
    return _sentence(KEY_ONLY, language)


def _sentence(sentences: Mapping[str, str], language: str) -> str:
    tag = language.lower()
    if tag.startswith(_TRADITIONAL_CHINESE):
        return sentences["zh-hant"]
    return sentences.get(tag.split("-")[0], sentences["en"])
