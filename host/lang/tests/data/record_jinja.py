"""Records what Mistral's own evaluator makes of Jinja2 texts, for `tests/jinja.rs`.

Needs `mistral==23.0.0` from PyPI. Each case of `jinja.json` is a text and either `{"value": …}`
or null for an error. The context is in the first line.
"""

import collections.abc
import json
import math
import pathlib
import warnings

warnings.simplefilter("ignore")

import jinja2  # noqa: E402
from mistral.db.v2 import api  # noqa: E402,F401
from mistral.expressions import base, jinja_expression  # noqa: E402

HERE = pathlib.Path(__file__).parent

CONTEXT = {
    "name": "node-0",
    "empty": "",
    "text": "The quick  brown fox\njumps over\tthe lazy-dog, it's here",
    "html": "<a href='x'>Tom & \"Jerry\"</a> <!-- c --> &amp; so",
    "accents": "Stra\u00dfe caf\u00e9 \u4f60\u597d",
    "number": 42,
    "negative": -7,
    "zero": 0,
    "big": 9223372036854775807,
    "ratio": 2.5,
    "small": 0.00001,
    "yes": True,
    "no": False,
    "none": None,
    "list": [3, 1, 2],
    "mixed": [1, "a", None, True, 2.5],
    "words": ["beta", "Alpha", "gamma", "alpha"],
    "nested": [[1, 2], [3], []],
    "nodes": [
        {"name": "b", "state": "active", "cpus": 4, "props": {"arch": "x86"}, "tags": ["x"]},
        {"name": "a", "state": "available", "cpus": 8, "props": {"arch": "arm"}, "tags": []},
        {"name": "C", "state": "active", "cpus": 2, "props": {"arch": "x86"}, "tags": ["y", "z"]},
    ],
    "map": {"b": 1, "a": "two", "C": [3]},
    "quote": "it's \"q\"",
    "json": '{"a": [1, true]}',
    "__env": {"region": "eu"},
    "__execution": {"id": "e1"},
}

# Expressions: recorded as `{{ e }}`, and in text as `[{{ e }}]`.
EXPRESSIONS = """
1|1.5|1e3|1_000|0x1f|0b11|0o17|'a'|"b"|'a' 'b'|'\\n\\t\\x41\\u00e9'|true|True|false|none|None
[]|[1, 'a', none]|{}|{'a': 1, 'b': [2]}|()|(1,)|(1, 2)|[1, 2,]|{'a': (1, 2)}
1 + 2|1 + 2.5|5 - 7|3 * 4|7 / 2|8 / 2|7 // 2|-7 // 2|7 % 3|-7 % 3|7 % -3|-7.5 % 2|7.5 // 2|2 ** 3|2 ** -1|2 ** 0.5|2 ** 3 ** 2
1 / 0|1 // 0|1 % 0|1.0 / 0|'a' + 'b'|'a' + 1|1 + 'a'|[1] + [2]|(1,) + (2,)|[1] + (2,)|'ab' * 3|3 * 'ab'|[1] * 2|'a' * -1|'a' * 1.5|true + 1|none + 1
'a' ~ 1 ~ none ~ true ~ 2.5 ~ [1, 'x']|1 ~ 2|-_.number|-_.ratio|--1|-true|-'a'|- none
1 == 1.0|1 == true|'a' == 'a'|[1] == [1]|(1,) == [1]|{'a': 1} == {'a': 1.0}|1 != 2|'1' == 1|none == false|1 < 2|1 < 2 < 3|1 < 3 < 2|3 > 2 >= 2|'a' < 'b'|'a' < 1|[1, 2] < [1, 3]|none < 1|(1, 2) < (1, 3)|true < 2|1 <= 1.0|'B' < 'a'
1 in [1, 2]|'a' in 'cat'|'a' in {'a': 1}|1 in 'a'|1 in 5|3 not in [1, 2]|not 1|not ''|not _.none|1 and 2|0 and 2|0 or 'x'|1 or _.missing|_.missing or 1|none or []|[] and 1
1 if true else 2|1 if false else 2|1 if false|'a' if _.yes else 'b' if _.no else 'c'|(1 if false) is defined
_.name|_['name']|_.missing|_['missing']|_.missing.more|_.map.a|_.map['b']|_.map.C[0]|_.list[0]|_.list[-1]|_.list[5]|_.list['a']|_.name[0]|_.name[-1]|_.name[9]|_.nodes[0].props.arch|_.nodes.0.name|_.none.x|_.number.x|_.name.x|_.list.x|nothing|nothing.x|_
_.list[1:]|_.list[:2]|_.list[::-1]|_.list[-2:]|_.list[::2]|_.name[1:3]|_.name[::-1]|_.list[5:]|_.list[1:none]|_.list['a':]|(1, 2, 3)[1:]|_.number[1:]|_.list[::0]|_.name[-1:-4:-1]
_.number is defined|_.missing is defined|_.missing is undefined|_.missing is not defined|_.none is none|_.number is none|1 is number|1.5 is number|'1' is number|true is number|1 is integer|1.0 is integer|true is integer|1.5 is float|1 is float|true is boolean|1 is boolean|true is true|1 is true|false is false|'a' is string|1 is string|{} is mapping|[] is mapping|[] is sequence|'a' is sequence|1 is sequence|[] is iterable|1 is iterable|(1,) is sequence|none is iterable
4 is even|3 is even|3 is odd|4 is odd|2.5 is even|'a' is odd|10 is divisibleby 5|10 is divisibleby(3)|10 is divisibleby 0|'abc' is lower|'aBc' is lower|'ABC' is upper|'1' is lower|1 is eq 1|1 is equalto(2)|1 is ne 2|1 is lt 2|1 is lessthan 1|2 is gt 1|2 is greaterthan(3)|1 is ge 1|1 is le 0|2 is in [1, 2]|'x' is in 'xyz'|1 is sameas 1|true is sameas true|1 is sameas true|range is callable|1 is callable|'upper' is filter|'nope' is filter|'even' is test|'nope' is test|'a' is escaped|not 1 is even|1 is not even|_.missing is none|_.missing is string|_.missing is even|1 is divisibleby
_.negative|abs;2.5|abs;'a'|abs;-2.5|abs;true|abs
_.missing|default(1);_.missing|d;_.none|default(1);_.none|default(1, true);''|default('x', boolean=true);''|default('x');_.missing.x|default(1);_.number|default(1)|string;nothing|default('d');_.map.zz|default({})
'x'|attr('upper');_.map|attr('a');_.map|attr('a') is defined
'abc def'|capitalize;'ABC'|capitalize;''|capitalize;1|capitalize;_.accents|capitalize;'abc'|center(9);'ab'|center(5);'abc'|center(2);1|center(5)
_.list|count;_.name|count;_.map|count;1|count;_.list|length;none|length;''|length
_.map|dictsort;_.map|dictsort(true);_.map|dictsort(reverse=true);{'b': 1, 'a': 2}|dictsort(by='value');{'b': 1, 'a': 2}|dictsort(false, 'value', true);_.map|dictsort(by='value');_.list|dictsort;{'b': 1}|dictsort(by='x')
_.html|escape;_.html|e;1|e;_.html|forceescape;_.quote|e
0|filesizeformat;1|filesizeformat;999|filesizeformat;1000|filesizeformat;123456|filesizeformat;123456|filesizeformat(true);1e15|filesizeformat;'2048'|filesizeformat(binary=true);1024|filesizeformat(true);'x'|filesizeformat;2e27|filesizeformat
_.list|first;_.name|first;[]|first;[]|first is defined;_.map|first;_.list|last;[]|last;_.name|last;(1, 2)|last
'1.5'|float;'x'|float;'x'|float(9);none|float;_.number|float;'1e3'|float;true|float;'inf'|float;' 2 '|float;[]|float
'%s-%s'|format('a', 1);'%(x)s'|format(x=1);'%s'|format;'%d'|format('a');'%s %s'|format(1, 2, 3)
_.nodes|groupby('state');_.nodes|groupby('props.arch')|list;_.nodes|groupby('zz');_.nodes|groupby('zz', default='q');_.words|groupby(0);_.nodes|groupby('state')|map(attribute='grouper')|list;_.nodes|groupby('state')|map('first')|list;(_.nodes|groupby('state'))[0].list|length;[{'k': 'a'}, {'k': 'A'}]|groupby('k');[{'k': 'a'}, {'k': 'A'}]|groupby('k', case_sensitive=true)
'a\\nb'|indent;'a\\nb'|indent(2, true);'a\\n\\nb'|indent(2, blank=true);'a\\n\\nb'|indent;'a\\nb'|indent('> ');'a\\nb\\n'|indent(first=true);1|indent;''|indent(first=true)
'42'|int;'42.9'|int;'x'|int;'x'|int(7);'ff'|int(base=16);'0xff'|int(0, 16);'0b11'|int(0, 2);'0x1f'|int(0, 0);none|int;2.9|int;-2.9|int;true|int;' 5 '|int;'1_000'|int;'-3'|int;[]|int;''|int;'1e3'|int;'+5'|int
_.map|items|list;_.missing|items|list;_.list|items|list
_.list|join;_.list|join('-');_.words|join(', ');_.nodes|join(',', attribute='name');_.mixed|join('/');''|join('x');'abc'|join('-');_.map|join;1|join;_.nested|join(';');_.nodes|join('|', 'props.arch')
_.name|list;_.map|list;1|list;(1, 2)|list;none|list;''|list
'ABC'|lower;1|lower;'ÄÖ'|lower;_.accents|upper;'ß'|upper;none|upper
_.list|map('string')|list;_.words|map('upper')|list;_.nodes|map(attribute='name')|list;_.nodes|map(attribute='zz')|list;_.nodes|map(attribute='zz', default='q')|list;_.nodes|map(attribute='props.arch')|list;_.nodes|map(attribute='tags.0', default=0)|list;_.list|map('nope')|list;_.list|map|list;_.words|map('replace', 'a', 'o')|list;_.words|map('default', 'x')|list;_.nested|map('length')|list;_.nested|map('first')|list;1|map('string')|list;_.nested|map('sum', start=10)|list;['1', '2']|map('int')|sum;_.nested|map(attribute=0)|list
_.list|max;_.list|min;[]|max;_.words|max;_.words|min;_.words|min(case_sensitive=true);_.nodes|max(attribute='cpus');_.nodes|min(attribute='name')|attr('x') is defined;_.mixed|max;'hello'|max;_.map|min
_.map|pprint;_.quote|pprint;1.0|pprint;[1, {'b': 1, 'a': 2}]|pprint;_.nodes|pprint
_.list|reject('odd')|list;_.list|reject|list;_.mixed|reject|list;_.nodes|rejectattr('tags')|map(attribute='name')|list;_.nodes|rejectattr('state', 'eq', 'active')|map(attribute='name')|list;_.nodes|selectattr('zz', 'defined')|list;_.nodes|selectattr('zz')|list
_.list|select('odd')|list;_.list|select('gt', 1)|list;_.list|select('>', 1)|list;_.mixed|select|list;_.mixed|select('string')|list;_.list|select('nope')|list;_.nodes|selectattr('state', 'eq', 'active')|map(attribute='name')|join(',');_.nodes|selectattr('state', '==', 'active')|list|length;_.nodes|selectattr('props.arch', 'in', ['arm'])|map(attribute='cpus')|first;_.nodes|selectattr|list;_.list|select('in', [1, 2])|list;_.list|select('divisibleby', 3)|list;[]|select|first;_.map|select('eq', 'a')|list
'aXbXc'|replace('X', '-');'aXbXc'|replace('X', '-', 1);'abc'|replace('', '.');1|replace('1', 2);'abc'|replace('a');'abc'|replace('b', 1)
_.list|reverse|list;_.name|reverse;(1, 2)|reverse|list;1|reverse;_.map|reverse|list
42.55|round;42.55|round(1);42.55|round(1, 'floor');42.55|round(1, 'ceil');42.55|round(method='ceil');42|round;42|round(2);42|round(-1);45|round(-1);55|round(-1);2.5|round;3.5|round;-2.5|round;2.675|round(2);1234.5|round(-2);'x'|round;1.5|round(method='x');0.125|round(2);1e300|round(2);true|round
'<b>'|safe;1|safe;[1, 2, 3]|slice(2)|list;[1, 2, 3, 4, 5]|slice(3)|list;[1, 2, 3, 4, 5]|slice(3, 'x')|list;[]|slice(2)|list;[1]|slice(0)|list;[1, 2, 3, 4, 5]|batch(2)|list;[1, 2, 3, 4, 5]|batch(2, 0)|list;[]|batch(2)|list;'abcde'|batch(2)|list;[1, 2]|slice(4)|list;[1, 2, 3]|slice(2, fill_with=0)|list
_.list|sort;_.list|sort(true);_.list|sort(reverse=true);_.words|sort;_.words|sort(case_sensitive=true);_.nodes|sort(attribute='name')|map(attribute='name')|list;_.nodes|sort(attribute='state,cpus')|map(attribute='name')|list;_.nodes|sort(true, attribute='state')|map(attribute='name')|list;_.mixed|sort;_.name|sort;_.map|sort;1|sort;_.nested|sort;_.nodes|sort;[none, 1]|sort;_.nodes|sort(attribute='zz')
1|string;none|string;true|string;[1, 'a']|string;_.map|string;2.50|string;1e20|string;1e-7|string;_.quote|string;[_.quote]|string;_.accents|string;{'a': none}|string;['\\n']|string;1e16|string;123456789.123|string
_.html|striptags;'a  b <b>c</b>'|striptags;1|striptags;'a < b'|striptags;'&lt;x&gt;'|striptags
_.list|sum;_.nodes|sum(attribute='cpus');_.list|sum(start=10);[]|sum;_.words|sum;[0.1, 0.2]|sum;_.nodes|sum('cpus', 1);[[1], [2]]|sum(start=[]);1|sum;_.mixed|sum
'hello wORLD'|title;"it's a-b (c) [d] <e> {f}"|title;1|title;'a1b c'|title;'x_y z'|title
_.map|tojson;_.list|tojson;_.html|tojson;_.accents|tojson;none|tojson;_.map|tojson(indent=2);_.map|tojson(2);[]|tojson(2);1.0|tojson;_.quote|tojson;{'b': {}, 'a': []}|tojson(1);true|tojson
'  a b  '|trim;'xxaxx'|trim('x');1|trim;'\\n a \\t'|trim;none|trim
_.text|truncate(20);_.text|truncate(20, true);_.text|truncate(20, end='~');'short'|truncate(3);'short'|truncate(4, leeway=0);'aaa bbb ccc ddd'|truncate(9, false, '...', 0);'x'|truncate;'aaaaaaaaaaaaaa'|truncate(5);'abc'|truncate(2);'foo bar baz qux'|truncate(11, leeway=0);'foo'|truncate(1, leeway=0)
[1, 2, 1, 1.0]|unique|list;_.words|unique|list;_.words|unique(true)|list;_.nodes|unique(attribute='state')|map(attribute='name')|list;'hello'|unique|list;[1, true, 'a', none, none]|unique|list;_.nested|unique|list
'a b/c?d=é'|urlencode;{'a': 1, 'b c': 'x y&z'}|urlencode;[('a', 1), ('b', 2)]|urlencode;1|urlencode;none|urlencode;'~_-.'|urlencode
_.text|wordcount;''|wordcount;"it's a b-c"|wordcount;1|wordcount;'é ü'|wordcount
_.text|wordwrap(10);_.text|wordwrap(5);'aaaaaaaaaa bbb'|wordwrap(4);'aaaaaaaaaa bbb'|wordwrap(4, false);'a b c d'|wordwrap(3, wrapstring='|');'one-two-three four'|wordwrap(8);'one-two-three four'|wordwrap(8, break_on_hyphens=false);'a\\n\\nb'|wordwrap(3);''|wordwrap(3);'aaaa bbbb'|wordwrap(9);'the well-known fact'|wordwrap(8)
{'class': 'a b', 'id': none, 'x': 1}|xmlattr;{'a': '<'}|xmlattr(false);{}|xmlattr;{'a b': 1}|xmlattr
_.name.upper();_.name.split('-');'a b  c'.split();' a b '.split(' ');'a,b,c'.split(',', 1);'a,b,c'.rsplit(',', 1);'a b c'.rsplit();'a b c'.split(none, 1);'a  b  c  '.split(none, 1);'  a  b  c'.rsplit(none, 1);'a'.split('');'abc'.split(1)
'a-b'.partition('-');'a'.partition('-');'a-b-c'.rpartition('-');'x'.rpartition('-');'  a '.strip();'xax'.strip('x');' a '.lstrip();' a '.rstrip();'abc'.startswith('a');'abc'.startswith(('x', 'a'));'abc'.endswith('c');'abc'.endswith('b', 0, 2);'abc'.startswith('b', 1);'abc'.startswith(1)
'abcabc'.find('c');'abcabc'.rfind('c');'abc'.find('x');'abc'.index('c');'abc'.index('x');'abcabc'.count('b');'abc'.count('');'abcabc'.find('c', 3);'abcabc'.count('b', 2);'éa'.find('a');'abcabc'.rindex('a')
'abc'.replace('b', 'x');'aaa'.replace('a', 'b', 2);'a'.replace('', '-');'abc'.title();"they're bill's".title();'Hello World'.swapcase();'hELLO'.capitalize();'ABC'.lower();'Straße'.casefold();'a'.center(5);'ab'.center(5, '*');'a'.ljust(3, '.');'a'.rjust(3);'7'.zfill(3);'-7'.zfill(4);'a'.ljust(3, 'xx')
'-'.join(['a', 'b']);'-'.join([1]);'-'.join('abc');''.join([]);'a\\nb\\r\\nc'.splitlines();'a\\nb\\n'.splitlines(true);'a\\tb'.expandtabs();'a\\tb'.expandtabs(4);'prefix-x'.removeprefix('prefix-');'x.py'.removesuffix('.py')
'123'.isdigit();'12a'.isdigit();''.isdigit();'abc'.isalpha();'ab1'.isalnum();'a b'.isalnum();' '.isspace();'abc'.islower();'ABC'.isupper();'Abc Def'.istitle();'abc'.isidentifier();'1a'.isidentifier();'é'.isascii();'a'.isprintable();'½'.isnumeric();'1'.isdecimal()
'{} {}'.format(1, 'a');'{1} {0}'.format(1, 2);'{a}'.format(a=1);'{0[a]} {0[b]}'.format({'a': 1, 'b': 2});'{:>5}|'.format('x');'{:05d}'.format(42);'{:.2f}'.format(3.14159);'{:,}'.format(1234567);'{:x} {:#x} {:b} {:o}'.format(255, 255, 5, 8);'{:e}'.format(12345.678);'{:g} {:g} {:g}'.format(0.00001, 123456789.0, 1.5);'{:%}'.format(0.25);'{!r}'.format('a');'{:^7}'.format('ab');'{:*<4}'.format('a');'{:+d} {: d}'.format(1, 2);'{{}}'.format();'{}'.format();'{:d}'.format('a');'{:{}}'.format('a', 3);'{a.b}'.format(a={'b': 1});'{0.__class__}'.format(1);'{:s}'.format(1);'{:10.3f}|'.format(2.5);'{:_}'.format(1000000);'{:08.2f}'.format(-1.5);'{'.format()
'%s' % 'a';'%s %s' % ('a', 1);'%d' % 3.7;'%5d|%-5d|%05d' % (1, 2, 3);'%.2f' % 1.005;'%x %X %o' % (255, 255, 8);'%#x' % 255;'%e' % 12345.678;'%g %g' % (0.0001, 1e10);'%r' % 'a';'%%' % ();'100%%' % ();'%(a)s %(b)d' % {'a': 1, 'b': 2};'%s' % _.map;'%s' % _.list;'%s %s' % 'a';'%d' % 'a';'%s' % none;'%5s|%-5s|' % ('a', 'b');'%.2s' % 'abc';'%c%c' % ('a', 66);'%+d % d' % (1, 2);'%*d' % (5, 1);'%y' % 1;'%s' % (1, 2);'a' % 1;'%i %u' % (1, 2);'%s' % ([1],);'%d%%' % 50;'%5.1f' % 2.25;'%s' % true;'%d' % true;'%G' % 1e-10;'%' % 1;'%(x)s' % {'y': 1}
_.map.keys()|list;_.map.values()|list;_.map.items()|list;_.map.get('a');_.map.get('zz');_.map.get('zz', 5);_.map.copy();_.map.pop('zz', 1);[1, 2, 1].count(1);[1, 2].index(2);[1, 2].index(3);[1, 2].copy();(1, 2, 1).count(1);(1, 2).index(2);_.map.nope();_.name.nope();_.list.nope();_.number.nope();_.map.items()|sort|first;(2.0).is_integer();[3, 1].sort();[].append(1)
range(3)|list;range(1, 4)|list;range(5, 0, -2)|list;range(3)|sum;range(0);range(1, 2, 0);range('a');range(3)[1];range(1000001);range(3)|length;5 in range(6);range(-3)|list
dict(a=1, b='x');dict([('a', 1)]);dict({'a': 1}, b=2);dict(1);namespace(a=1).a;cycler('a', 'b').next();cycler();joiner()();joiner('; ')();dict(_.map, b=9)
json_dump(_.map);json_parse(_.json);json_parse('{');yaml_dump(_.map);yaml_parse('a: [1, yes]');env();env().region;env()['region'];__env;__env.region;__execution.id;__task_execution;nope();nope(1);json_dump();json_dump(1, 2);json_parse(1);json_dump(data=_.list);json_parse(_.json).a[0]
1 |abs;(1 + 2) * 3;1 + 2 * 3;(1, 2)|sum;-1|abs;-(1 + 2);not true or true;not (true or true);1 + 1 ~ 2;'a' ~ 1 + 1;2 * 3 ~ 4;1 < 2 and 2 < 3;1 in [1] and 2 in [2];'a' 'b' ~ 'c';[1, 2][0] + 1;{'a': 1}.a;{'a': 1}['a'];{1: 2}[1];_.list|length > 2;_.list|length + 1;not _.missing is defined;_.number is divisibleby 2 and true;_.nodes|map(attribute='cpus')|sum / 2;1 if _.missing is defined else 'no';_.yes == true;_.name == 'node-0' and _.number > 40
1 +;(1;[1;{'a' 1};'a;1 1;_.;_|;_|nope;1 is nope;1 is;for;{;_..a;@;1 = 2;_.a b;a if;not;* 1;"\\u12";1 not;_[;_.list[1,2]
_.list|nope;_.list|first|upper;_.list|join(x=1);_.list|first(1);_.name|upper(1);_.list|sort(nope=1);'a'|default;_.list|batch;'a'|replace;_.list|random(1);_.name.upper(1);_.name.replace('a');_.map.get();range()
_._x;_.name._x;_.name.__class__;_.list.__class__;_.__class__;_.name.__len__();''.__class__.__mro__;_['__env'];_.__env.region;range.__globals__;[].__class__.__base__
_.none is not none;_.none|default('x', true)|upper;_.accents|length;_.accents[0:6];_.big;_.big - 1;-_.big;_.small;_.small|string;1e22;1e15;123456789012345678;0.1 + 0.2;1.0;-0.0;3.0 * 2;10 ** 15;7.0 // 2;1e400
"""

# Texts with more than one expression, and blocks.
TEXTS = [
    "plain {{ _.name }}", "{{ _.name }} ", " {{ _.name }}", "{{ _.name }}{{ _.number }}",
    "{{ _.none }}-{{ _.yes }}-{{ _.ratio }}-{{ _.list }}-{{ _.map }}", "{{ _.name }}\n", "{{ _.name }}\n\n",
    "a {{ '}}' }} b", "{{ '}}' }}", "x {{ _.missing }}", "{{ 1 }} {# comment #}x", "{# {{ 1 }} #}{{ 2 }}",
    "a {{- 1 -}} b", "a {{+ 1 }} b", "{{-1}}", "{{ 1 }} {% raw %}{{ x }}{% endraw %}", "{{ 1 }} {%- raw -%} {{ x }} {%- endraw -%} z",
    "{{ 1 }}{% if _.yes %}y{% endif %}", "{{ 1 }}{% if _.no %}y{% else %}n{% endif %}",
    "{{ 1 }}{% if _.no %}a{% elif _.yes %}b{% else %}c{% endif %}", "{{ 1 }}{% if _.missing %}a{% endif %}",
    "{{ 1 }}{% for x in _.list %}{{ x }},{% endfor %}", "{{ 1 }}{% for x in [] %}x{% else %}none{% endfor %}",
    "{{ 1 }}{% for k, v in _.map.items() %}{{ k }}={{ v }};{% endfor %}", "{{ 1 }}{% for k in _.map %}{{ k }}{% endfor %}",
    "{{ 1 }}{% for x in _.list if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{{ 1 }}{% for x in _.list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }} {% endfor %}",
    "{{ 1 }}{% for x in _.list %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{{ 1 }}{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{{ 1 }}{% for x in _.list %}{{ loop.previtem|default('-') }}{{ loop.nextitem|default('-') }}{% endfor %}",
    "{{ 1 }}{% for x in _.list %}{{ loop.previtem }}{% endfor %}",
    "{{ 1 }}{% for x in _.nested recursive %}({{ loop(x) if x is iterable else x }}){% endfor %}",
    "{{ 1 }}{% for x in _.nested %}{% for y in x %}{{ y }}{{ loop.index }}{% endfor %}/{% endfor %}",
    "{{ 1 }}{% for x in _.number %}{% endfor %}", "{{ 1 }}{% for x in _.missing %}{% endfor %}",
    "{{ 1 }}{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }},{% endfor %}", "{{ 1 }}{% for a, b in [[1]] %}{% endfor %}",
    "{{ 1 }}{% for x in range(3) -%}\n  {{ x }}\n{%- endfor %}", "{{ 1 }}{% for x in _.name %}{{ x }}.{% endfor %}",
    "{{ 1 }}{% set x = 5 %}{{ x + 1 }}", "{{ 1 }}{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{{ 1 }}{% set x = 1, 2 %}{{ x }}",
    "{{ 1 }}{% set x = 1 %}{% for i in [1, 2] %}{% set x = i %}{% endfor %}{{ x }}",
    "{{ 1 }}{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{{ 1 }}{% set l = [] %}{% for i in _.list %}{% set _x = l.append(i * 2) %}{% endfor %}{{ l }}",
    "{{ 1 }}{% set d = {} %}{% set _x = d.update({'a': 1}) %}{{ d }}", "{{ 1 }}{% set d = {'a': [1]} %}{{ d.a.append(2) }}{{ d }}",
    "{{ 1 }}{% set l = [3, 1, 2] %}{{ l.sort() }}{{ l.pop() }}{{ l }}{{ l.insert(0, 9) }}{{ l.reverse() }}{{ l.extend([7]) }}{{ l.remove(9) }}{{ l }}",
    "{{ 1 }}{% set d = {'a': 1} %}{{ d.setdefault('b', 2) }}{{ d.pop('a') }}{{ d }}{{ d.popitem() }}{{ d.clear() }}{{ d }}",
    "{{ 1 }}{% set x %}a {{ _.number }}{% endset %}[{{ x }}]", "{{ 1 }}{% set x | upper %}abc{% endset %}{{ x }}",
    "{{ 1 }}{% if true %}{% set x = 3 %}{% endif %}{{ x }}", "{{ 1 }}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "{{ 1 }}{% with a = 1 %}{% endwith %}{{ a }}",
    "{{ 1 }}{% filter upper %}abc {{ _.name }}{% endfilter %}", "{{ 1 }}{% filter replace('a', 'b')|upper %}aaa{% endfilter %}",
    "{{ 1 }}{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, b=3) }} {{ m(b=1, a=0) }}",
    "{{ 1 }}{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}", "{{ 1 }}{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{{ 1 }}{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{% endcall %}",
    "{{ 1 }}{% macro m() %}[{{ caller('y') }}]{% endmacro %}{% call(v) m() %}x{{ v }}{% endcall %}",
    "{{ 1 }}{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}",
    "{{ 1 }}{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{{ 1 }}\n{% if true %}\n  a\n{% endif %}\nb", "{{ 1 }}\n  {% if true %}\n  a\n  {% endif %}\nb\n",
    "{{ 1 }} {% set x = 1 %} {{ x }}", "{{ 1 }}{%- if true -%} a {%- endif -%} b", "{{ 1 }}\n{%+ if true %}a{% endif +%}\nb",
    "{{ 1 }}{% for n in _.nodes %}{{ n.name }}: {{ n.props.arch }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in _.list %}{{ x }}{% endfor %}", "{% if _.yes %}{{ _.name }}{% endif %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}",
    "{% set j = joiner('; ') %}{% for x in _.list %}{{ j() }}{{ x }}{% endfor %}",
    "{{ 1 }}{% if %}{% endif %}", "{{ 1 }}{% for %}{% endfor %}", "{{ 1 }}{% nope %}", "{{ 1 }}{% if true %}", "{{ 1 }}{% endif %}",
    "{{ 1 }}{% do [].append(1) %}", "{{ 1 }}{% break %}", "{{ 1 }}{% include 'x' %}", "{{ 1 }}{% extends 'x' %}", "{{ 1 }}{% import 'x' as y %}",
    "{{ 1 }} {{ 2", "{{ 1 }} }}", "{{ 1 }} {% raw %}", "{{ 1 }} {# x", "{{ }}x", "a {{ 1 }} {{ _.list | nope }}",
    "{{ 1 }}{% for x in _.list %}{% if x == 3 %}{{ x }}{% endif %}{% endfor %}", "{{ _.name }}: {{ 'ok' if _.yes else 'no' }}",
    "http://{{ _.name }}:{{ _.number }}/v1?x={{ _.text|urlencode }}", "{{ 'a' }}\\n{{ 'b' }}", "{{ _.html }} x", "{{ _.accents }}!",
    "{{ 1 }}{% set loop = 1 %}", "{{ 1 }}{% for loop in [1] %}{% endfor %}", "{{ 1 }}{{ loop }}", "{{ 1 }}{% for x in _.list %}{% endfor %}{{ x }}",
    "{{ env().region }} x", "{{ json_parse(_.json).a }} x", "{{ 1 }} {{ _.map|tojson }}", "{{ 1 }}{% for key, group in _.nodes|groupby('state') %}{{ key }}:{{ group|map(attribute='name')|join('+') }} {% endfor %}",
]

# Only their value is compared, as Python shows an object where we show what is in it.
OBJECTS = ("<generator", "<built-in", "<bound", "dict_", "range(", "<jinja2", "<class", "<function", "functools", "<listrev", "<Namespace", "<map", "<reversed", "<dict_rev")


class Unsayable(Exception):
    pass


def plain(value):
    if isinstance(value, jinja2.Undefined):
        raise Unsayable
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if abs(value) > 2**63 - 1:
            raise Unsayable
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"float": repr(value)}
        return value
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k): plain(v) for k, v in value.items()}
    if isinstance(value, collections.abc.Iterable) and not isinstance(value, type):
        return [plain(item) for item in value]
    raise Unsayable


def record(text):
    # Methods may change the context.
    context = json.loads(json.dumps(CONTEXT))
    try:
        return {"value": plain(jinja_expression.InlineJinjaEvaluator.evaluate(text, context))}
    except Exception:
        return None


def expressions():
    for line in EXPRESSIONS.strip().splitlines():
        # Lines with filters have `;` between the expressions.
        yield from line.split(";" if ";" in line else "|")


def main():
    assert "json_dump" in base.get_custom_functions()
    cases, seen = [], set()
    for expression in expressions():
        expression = expression.strip().replace("\\\\", "\\")
        if not expression:
            continue
        for text in ("{{ %s }}", "[{{ %s }}]"):
            text = text % expression if "%" not in expression else text.replace("%s", expression)
            if text in seen:
                continue
            seen.add(text)
            found = record(text)
            shown = (found or {}).get("value")
            if isinstance(shown, str) and any(mark in shown for mark in OBJECTS):
                continue
            cases.append([text, found])
    for text in TEXTS:
        cases.append([text, record(text)])
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "jinja.json").write_text(f"[\n{json.dumps(CONTEXT)},\n{lines}\n]\n")
    print(len(cases), sum(case[1] is not None for case in cases))


if __name__ == "__main__":
    main()
