/* The search of the site: search-index.js is loaded when it is asked for, by a script element, as the
 * only way that a page opened from the disk has. An entry: [address, page, heading, text]. */
"use strict";

/* Entries that have all words of the query, best first: a word in the heading or in the page's name
 * counts more than one in the text, the beginning of a word more than its middle. */
function maplogSearch(index, query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const weights = [0, 20, 30, 1];
    const scoreOf = (entry) => {
        let score = 0;
        for (const word of words) {
            let best = 0;
            for (let part = 1; part < entry.length; part++) {
                const text = entry[part].toLowerCase(), at = text.indexOf(word);
                if (at < 0)
                    continue;
                const begins = at === 0 || !/\w/.test(text[at - 1]);
                best = Math.max(best, weights[part] * (begins ? 2 : 1));
            }
            if (!best)
                return 0;
            score += best;
        }
        return score;
    };
    return index.map((entry) => ({ entry, score: scoreOf(entry) }))
        .filter((found) => found.score > 0)
        .sort((a, b) => b.score - a.score)
        .map((found) => found.entry);
}

/* Some words of the text around the first that was searched for. */
function maplogExcerpt(text, query) {
    const word = query.toLowerCase().split(/\s+/).filter(Boolean)[0] || "";
    const at = Math.max(0, text.toLowerCase().indexOf(word) - 50);
    return (at ? "…" : "") + text.slice(at, at + 160) + (at + 160 < text.length ? "…" : "");
}

if (typeof module === "object") {
    module.exports = { maplogSearch, maplogExcerpt };
} else {
    const root = document.currentScript.dataset.root;
    const input = document.querySelector("input"), list = document.getElementById("found");
    const MOST = 20;

    const show = () => {
        const query = input.value.trim();
        const found = query && window.maplogIndex ? maplogSearch(window.maplogIndex, query) : [];
        list.replaceChildren(...found.slice(0, MOST).map(([address, page, heading, text]) => {
            const item = document.createElement("li"), link = document.createElement("a");
            const excerpt = document.createElement("small");
            link.href = root + address;
            link.textContent = heading && heading !== page ? page + ": " + heading : page;
            excerpt.textContent = maplogExcerpt(text, query);
            link.append(excerpt);
            item.append(link);
            return item;
        }));
        if (query && window.maplogIndex && !found.length)
            list.textContent = "nothing found";
        list.hidden = !query;
    };
    const load = () => {
        const script = document.createElement("script");
        script.src = root + "search-index.js";
        script.onload = show;
        document.head.append(script);
    };
    const move = (by) => {
        const links = [input, ...list.querySelectorAll("a")];
        const at = links.indexOf(document.activeElement) + by;
        if (links[at])
            links[at].focus();
    };

    input.addEventListener("focus", load, { once: true });
    input.addEventListener("input", show);
    input.form.addEventListener("submit", (event) => {
        event.preventDefault();
        const first = list.querySelector("a");
        if (first)
            first.click();
    });
    document.addEventListener("click", (event) => {
        list.hidden = !input.value || !input.form.contains(event.target) || event.target.closest("a");
    });
    document.addEventListener("keydown", (event) => {
        if (event.key === "/" && document.activeElement !== input) {
            event.preventDefault();
            input.focus();
        } else if (event.key === "Escape") {
            list.hidden = true;
        } else if (!list.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
            event.preventDefault();
            move(event.key === "ArrowDown" ? 1 : -1);
        }
    });
}
