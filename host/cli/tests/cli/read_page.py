"""Reads r.html, and tells whether all of it is closed, harmless, and there."""
from html.parser import HTMLParser
void = {"meta", "br"}
class Page(HTMLParser):
    open, seen, text = [], set(), ""
    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if any(name.startswith("on") or name in ("src", "href") and not value.startswith("#")
               for name, value in attributes):
            print("reaches out:", tag, attributes)
        if tag not in void:
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
    def handle_data(self, data):
        self.text += data
page = Page()
page.feed(open("r.html", encoding="utf-8").read())
page.close()
print(page.open, "script" in page.seen, "<script>alert(1)</script>" in page.text)
print(all(part in page.text for part in ("it is one too many", "sell it", "r2", "overcloud")))
print(any(c in page.text for c in "\x1b\x9b\x00\u202e"))
