//! The crawl on any screen and in any script, compared with reviewed pictures.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::Login;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link, picture, root};

use super::crawl::{DIALOGUE, FILM, open, open_with, publish};

/// A size of the window.
pub(super) struct Screen {
    name: &'static str,
    /// In CSS pixels.
    size: (u32, u32),
    /// Device pixels per CSS pixel: the screen's density times the browser's zoom.
    ratio: f64,
}

pub(super) const fn screen(name: &'static str, size: (u32, u32), ratio: f64) -> Screen {
    Screen { name, size, ratio }
}

const SCREENS: [Screen; 9] = [
    screen("16-9", (1_280, 720), 1.0),
    screen("235-1", (1_280, 545), 1.0),
    screen("4-3", (1_024, 768), 1.0),
    screen("phone", (390, 844), 3.0),
    screen("phone-across", (844, 390), 2.0),
    screen("pane", (300, 420), 2.0),
    screen("hall", (1_920, 1_080), 2.0),
    screen("zoom-50", (2_560, 1_440), 0.5),
    screen("zoom-300", (427, 240), 3.0),
];

/// Shows the crawl alone in the window, without controls, at rest with its last line at the edge. It is a copy, so that
/// later actions of the app change nothing.
pub(super) const POSE: &str = "
    const section = crawl();
    section.querySelector('.crawl-controls').style.opacity = '0';
    Object.assign(section.style, { position: 'fixed', inset: '0', zIndex: '9' });";
const FREEZE: &str = "
    const section = crawl(), plane = section.querySelector('.plane');
    // The sky is at its upper position.
    section.querySelectorAll('.sky i').forEach(({ style }) => {
        Object.assign(style, { animation: 'none', transform: 'translateY(calc(-100cqh * var(--travel)))' });
    });
    const copy = plane.cloneNode(true), em = parseFloat(getComputedStyle(plane).fontSize);
    copy.classList.add('copy');
    plane.after(copy);
    // The opening's text disappears independently.
    [...copy.children].forEach((block) => { block.hidden = !block.matches('.line'); });
    // The app hides the rows that are far below the stage; how many those are depends on the moment.
    copy.querySelectorAll('.row').forEach((row) => { row.hidden = false; });
    let top = 0;
    const blocks = [...copy.querySelectorAll('.line')];
    for (const block of blocks.toSorted((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top))) {
        block.style.top = `${top * em}px`;
        top += block.offsetHeight / em + 0.55;
    }
    copy.style.transform = `translateY(${0.3 - top}em)`;
    plane.style.display = 'none';";
const THAW: &str = "
    crawl().querySelector('.plane.copy').remove();
    crawl().querySelector('.plane').style.display = '';";

pub(super) async fn resize(page: &Page, screen: &Screen) -> Result<()> {
    page.resize(screen.size, screen.ratio).await
}

/// An expression for the rows of the plane's lines that are wider than its column, of which there must be none.
const OVERFULL: &str = "(() => {
    const column = crawl().querySelector('.tilt').offsetWidth;
    const range = document.createRange();
    return [...crawl().querySelectorAll('.plane .row')].map((row) => {
        row.style.display = 'inline-block';
        row.style.textAlignLast = 'auto';
        const width = row.offsetWidth;
        row.style.display = '';
        row.style.textAlignLast = '';
        return [row.textContent, width / column];
    }).filter(([, part]) => part > 1.015);
})()";

#[tokio::test]
async fn page_fits_any_screen() -> Result<()> {
    let station = Station::start().await?;
    in_browser_with(&[Feature::PixelRatio], "crawl-screens", async |page| {
        let text_keys = [("episode", "Channel IV"), ("title", "The Open Line"), ("intro", "A test of every screen.")];
        let keys = [("view", "crawl"), ("connect", "1"), ("opening", "yield")];
        page.open(&link(&station.page_url(), &[&keys[..], &text_keys[..], &FILM[..]].concat())).await?;
        page.wait_for_state("connected").await?;
        page.run(POSE).await?;
        publish(page, Login::anonymous(station.mqtt_port()?), &DIALOGUE).await?;
        page.press("Pause").await?;
        for screen in SCREENS {
            resize(page, &screen).await?;
            // Every line is laid out for its column, once the app has detected the size.
            let set = format!("{OVERFULL}.length === 0 && lines().length >= 5");
            page.wait_for(&format!("rows that fit {}", screen.name), &set, WAIT_TIMEOUT).await?;
            page.run(FREEZE).await?;
            let png = picture::of_still(page).await?;
            page.run(THAW).await?;
            picture::check(page, &format!("crawl-{}", screen.name), &png).await?;
        }
        Ok(())
    })
    .await
}

/// A script, and lines in it.
struct Script {
    name: &'static str,
    direction: &'static str,
    /// Whether its letters are joined.
    is_joined: bool,
    /// The range for which a font of the test has letters; the app's own fonts have the others.
    range: Option<&'static str>,
    lines: &'static [(&'static str, &'static str)],
}

const SCRIPTS: [Script; 7] = [
    Script {
        name: "cyrillic",
        direction: "ltr",
        is_joined: false,
        range: None,
        lines: &[
            ("Жанна", "Ретранслятор на северном хребте снова отвечает. Отправьте кого-нибудь вниз."),
            ("Борис", "Понял. Два насоса из трёх запустились сами."),
            ("Жанна", "Мы оставим лампу гореть для вас..."),
        ],
    },
    Script {
        name: "greek",
        direction: "ltr",
        is_joined: false,
        range: Some("U+370-3FF"),
        lines: &[
            ("Γιάννης", "Η γέφυρα είναι ανοιχτή. Προσέξτε το χαλίκι στην άλλη πλευρά."),
            ("Ελένη", "Κατάλαβα. Δύο από τις τρεις αντλίες ξεκίνησαν μόνες τους."),
            ("Γιάννης", "Θα αφήσουμε το φως αναμμένο για εσάς..."),
        ],
    },
    Script {
        name: "arabic",
        direction: "rtl",
        is_joined: true,
        range: Some("U+600-6FF"),
        lines: &[
            ("ليلى", "الجسر مفتوح. انتبهوا إلى الحصى في الجانب البعيد من الطريق."),
            ("سامي", "مفهوم. عادت مضختان من أصل 3 إلى العمل في الساعة 12:30."),
            ("ليلى", "سنترك المصباح مضاءً من أجلكم..."),
        ],
    },
    Script {
        name: "hebrew",
        direction: "rtl",
        is_joined: false,
        range: Some("U+590-5FF"),
        lines: &[
            ("נועה", "הגשר פתוח. שימו לב לחצץ בצד הרחוק של הדרך, ושלחו מישהו."),
            ("דוד", "קיבלתי. שתיים מתוך 3 המשאבות חזרו לפעול בשעה 12:30."),
            ("נועה", "נשאיר לכם את המנורה דולקת..."),
        ],
    },
    Script {
        name: "cjk",
        direction: "ltr",
        is_joined: false,
        range: Some("U+3000-30FF, U+4E00-9FFF, U+FF00-FFEF"),
        lines: &[
            ("小林", "橋は開いています。向こう側の砂利に気をつけてください。誰かを送ってください。"),
            ("田中", "「了解」しました。ポンプは三台のうち二台が、ひとりでに動き出しました。"),
            ("李雷", "橋已經開放。請小心對面的碎石，並派人下去。"),
        ],
    },
    Script {
        name: "devanagari",
        direction: "ltr",
        is_joined: true,
        range: Some("U+900-97F"),
        lines: &[
            ("आरती", "पुल खुला है। दूसरी ओर की बजरी का ध्यान रखें, और किसी को नीचे भेजें।"),
            ("विक्रम", "समझ गया। तीन में से दो पंप अपने आप चल पड़े।"),
            ("आरती", "हम आपके लिए दीया जलता छोड़ेंगे..."),
        ],
    },
    Script {
        name: "emoji",
        direction: "ltr",
        is_joined: false,
        range: Some("U+200D, U+2600-27BF, U+FE0F, U+1F000-1FAFF"),
        lines: &[
            ("Weiß", "👩‍👩‍👧‍👦 Größe 21,4\u{a0}°C 🇩🇪🇫🇷 👍🏽 und mehr als das, viel mehr."),
            ("Robo 🤖", "The weather: ☀️ at noon, 🌧️ at dusk, ❄️ on the ridge 🏔️, and then 🚀."),
        ],
    },
];

/// Gives the page a font for the letters of the test's lines, because the fonts of systems differ. It replaces the
/// system font as the fallback behind the crawl's own.
async fn add_font(page: &Page, script: &Script) -> Result<()> {
    let Some(range) = script.range else { return Ok(()) };
    let file = root().join("tests/screenshots/fonts").join(format!("{}.woff2", script.name));
    let font = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    page.run(&format!(
        "const bytes = Uint8Array.from(atob('{}'), (each) => each.charCodeAt(0));
        // As the style has Libre Franklin, so that one family has all letters.
        const font = new FontFace('Libre Franklin', bytes, {{ weight: '600', unicodeRange: '{range}' }});
        document.fonts.add(font);
        font.load().then(() => {{ window.__font = true; }});",
        BASE64_STANDARD.encode(font),
    ))
    .await?;
    page.wait_for("the font", "window.__font === true", WAIT_TIMEOUT).await
}

#[tokio::test]
async fn every_writing_system_is_typeset() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-scripts", async |page| {
        let broker = Login::anonymous(station.mqtt_port()?);
        for script in &SCRIPTS {
            open_with(page, &station, &FILM).await?;
            add_font(page, script).await?;
            page.run(POSE).await?;
            publish(page, broker, script.lines).await?;
            page.press("Pause").await?;
            page.wait_for("rows that fit", &format!("{OVERFULL}.length === 0"), WAIT_TIMEOUT).await?;
            for (at, (_, text)) in script.lines.iter().enumerate() {
                let line = format!("crawl().querySelectorAll('.plane .line')[{at}]");
                check_equal(text, page.evaluate::<String>(&format!("{line}.dir")).await?.as_str(), script.direction)?;
                let shown: String = page
                    .evaluate(&format!("[...{line}.querySelectorAll('.row')].map((row) => row.textContent).join('')"))
                    .await?;
                let expected = text.strip_suffix("...").map_or((*text).to_owned(), |begin| format!("{begin}...."));
                ensure!(shown.trim_end().ends_with(&expected), "{text:?} is shown as {shown:?}");
                let rows: u64 = page.evaluate(&format!("{line}.childElementCount")).await?;
                ensure!(rows >= 2, "{text} is in {rows} rows");
                // Joined letters have no space between them.
                let spacing: String = page.evaluate(&format!("getComputedStyle({line}).letterSpacing")).await?;
                let is_joined = matches!(spacing.as_str(), "normal" | "0px");
                check_equal(&format!("whether {text} is joined"), is_joined, script.is_joined)?;
            }
            page.run(FREEZE).await?;
            let png = picture::of_still(page).await?;
            picture::check(page, &format!("script-{}", script.name), &png).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn very_long_message_points_to_the_console() -> Result<()> {
    let station = Station::start().await?;
    in_browser("crawl-long", async |page| {
        open(page, &station).await?;
        page.run(POSE).await?;
        let (long, word) = ("pressure and more ".repeat(280), "o".repeat(300));
        let compound = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
        let lines = [("ADA", long.as_str()), ("Bram", &word), ("Cleo", compound)];
        publish(page, Login::anonymous(station.mqtt_port()?), &lines).await?;
        page.press("Pause").await?;
        page.wait_for("rows that fit", &format!("{OVERFULL}.length === 0"), WAIT_TIMEOUT).await?;
        page.wait_for_line("(continued in the console)").await?;
        let lines = page.lines().await?;
        ensure!(lines[0].text.len() < 700, "{} characters", lines[0].text.len());
        check_equal("the word", lines[1].text.matches('o').count(), 300)?;
        page.wait_for_line(compound).await
    })
    .await
}
