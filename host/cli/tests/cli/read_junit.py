"""Reads j.xml as any reader of JUnit's reports would, and tells what is in it."""
import xml.etree.ElementTree as tree
suites = tree.parse("j.xml").getroot()
for key in "tests", "failures", "errors", "skipped":
    print(key, suites.get(key))
for case in suites.iter("testcase"):
    print(case.get("classname"), case.get("name"), [part.tag for part in case])
print(repr(suites.find(".//testcase[@name='hostile']/failure").text.splitlines()[2:]))
print(any("<script>" in text for text in suites.itertext()))
