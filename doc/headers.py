#!/usr/bin/env python3
# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Read the documentation comments of the public headers and write what is made from them.

headers.py functions HEADER...                the public functions, one per line
headers.py man --date DATE --directory DIR --page NAME... HEADER...
                                              the manual pages of these functions, mdoc, as DIR/NAME.3
headers.py errors HEADER...                   the documented errno of each function, as C
headers.py explain HEADER...                  the same with what each means, for gmemctl explain
headers.py examples HEADER...                 the examples, as C

A comment that cannot be read is an error: the headers are the only source.
"""
import argparse
import os
import re
import sys

SECTIONS = ("Return:", "Errors:", "Threads:", "Source:", "Example:")


class Item:
    """A documented function, struct, enum or function type."""

    def __init__(self, name, brief):
        self.name = name
        self.brief = brief
        self.parameters = []  # (name, text)
        self.text = []  # paragraphs: lists of lines
        self.sections = {}  # "Errors:" -> lines
        self.declaration = ""
        self.header = ""
        self.members = []  # (declaration, text)


def fail(where, what):
    sys.exit(f"{where}: {what}")


def comment_lines(comment):
    lines = [re.sub(r"^\s*\*? ?", "", line, count=1) for line in comment.split("\n")]
    return [line.rstrip() for line in lines]


def parse_comment(comment, where):
    lines = comment_lines(comment)
    while lines and not lines[0]:
        lines.pop(0)
    match = re.match(r"(?:struct |enum |typedef )?(\w+)(?:\(\))? - (.+)$", lines[0])
    if not match:
        fail(where, f"no 'name - what it is' in the first line: {lines[0]}")
    item = Item(match[1], match[2])
    section = None
    paragraph = []
    for line in lines[1:]:
        start = next((s for s in SECTIONS if line.startswith(s)), None)
        parameter = re.match(r"@(\w+):\s+(.+)$", line)
        if start:
            section = start
            rest = line[len(start):].strip()
            item.sections[section] = [rest] if rest else []
        elif section == "Example:":
            item.sections[section].append(line)
        elif parameter and not section:
            item.parameters.append([parameter[1], parameter[2]])
        elif not line:
            if paragraph:
                item.text.append(paragraph)
                paragraph = []
            section = None
        elif section:
            item.sections[section].append(line)
        elif line.startswith("\t") and item.parameters:
            item.parameters[-1][1] += " " + line.strip()
        elif re.match(r"\s", line) and item.parameters and not paragraph and not item.text:
            item.parameters[-1][1] += " " + line.strip()
        else:
            if line.startswith("- ") and paragraph:
                item.text.append(paragraph)
                paragraph = []
            paragraph.append(line)
    if paragraph:
        item.text.append(paragraph)
    return item


def parse_members(body):
    members = []
    for match in re.finditer(r"/\*\*(.*?)\*/\s*([^/;,]+?)\s*[;,]", body, re.S):
        text = " ".join(line for line in comment_lines(match[1]) if line)
        members.append((match[2], text))
    return members


def parse(headers):
    items = {}
    order = []
    for header in headers:
        text = open(header, encoding="utf-8").read()
        pattern = r"/\*\*\n((?:(?!\*/).)*)\*/\n((?:GMEM_API|struct|enum|typedef)[^;{]*)([;{])"
        for match in re.finditer(pattern, text, re.S):
            item = parse_comment(match[1], header)
            item.header = os.path.basename(header)
            item.declaration = " ".join(match[2].split())
            if match[3] == "{":
                end = text.index("\n};", match.end())
                item.members = parse_members(text[match.end():end] + ",")
            if item.declaration.startswith("GMEM_API"):
                item.declaration = item.declaration[len("GMEM_API "):]
                order.append(item.name)
            items[item.name] = item
        found = len(re.findall(r"^GMEM_API ", text, re.M))
        documented = len([n for n in order if items[n].declaration in " ".join(text.split())])
        if found != documented:
            fail(header, f"{found} functions, but {documented} have a documentation comment")
    return items, order


def prototype(item):
    match = re.match(r"(.*?)(\w+)\((.*)\)$", item.declaration)
    parameters = [] if match[3] == "void" else [p.strip() for p in match[3].split(",")]
    return match[1].strip(), parameters


def escape(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text


def sentences(lines):
    """One sentence per line: what the mdoc language asks for."""
    text = re.sub(r"([.?!:]) +(?=[A-Z])", r"\1\n", " ".join(line.strip() for line in lines))
    return [escape(line) for line in text.split("\n")]


def roff(paragraphs, out):
    in_list = False
    for paragraph in paragraphs:
        item = paragraph[0].startswith("- ")
        if item and not in_list:
            out.append(".Bl -dash -compact")
        if in_list and not item:
            out.append(".El")
        if item:
            out.append(".It")
            paragraph = [paragraph[0][2:]] + [line.strip() for line in paragraph[1:]]
        elif out[-1] not in (".Sh DESCRIPTION",) and not out[-1].startswith(".Ss"):
            out.append(".Pp")
        in_list = item
        out += sentences(paragraph)
    if in_list:
        out.append(".El")


def used_types(item, items):
    """The documented types that a reader of this page needs, in the order of use."""
    found = []

    def look(text):
        for name in re.findall(r"gmem_\w+", text):
            candidate = items.get(name)
            if not candidate or candidate.declaration.endswith(")") and not (
                candidate.declaration.startswith("typedef")
            ):
                continue
            if candidate in found or not (candidate.members or "typedef" in candidate.declaration):
                continue
            found.append(candidate)
            look(candidate.declaration)
            for member, _ in candidate.members:
                look(member)

    look(item.declaration)
    return found


def write_type(kind, out):
    out.append(f".Ss {kind.declaration.split('(')[0].strip() if kind.members else kind.name}")
    if kind.members:
        out.append(escape(kind.brief[0].upper() + kind.brief[1:] + "."))
        roff(kind.text, out)
        out.append(".Bl -tag -width Ds")
        for member, text in kind.members:
            out += [f".It Li {escape(member)}", *sentences([text])]
        out.append(".El")
    else:
        out += [".Bd -literal -compact", escape(kind.declaration + ";"), ".Ed", ".Pp"]
        out.append(escape(kind.brief[0].upper() + kind.brief[1:] + "."))
        for name, text in kind.parameters:
            out += [".Pp", f".Fa {name} :", *sentences([text])]
        roff(kind.text, out)
        if "Return:" in kind.sections:
            out += [".Pp", "It returns"] + sentences(kind.sections["Return:"])


def errors(item):
    found = []
    for line in item.sections.get("Errors:", []):
        match = re.match(r"  (E\w+)\s+(.+)$", line)
        if match:
            found.append([match[1], match[2]])
        else:
            found[-1][1] += " " + line.strip()
    return found


LIVE_UPDATE = ("session.h", "preserve.h", "blob.h", "store.h")


def see_also(item, items):
    names = {n for p in item.text for line in p for n in re.findall(r"(gmem_\w+)\(\)", line)}
    names |= {n for lines in item.sections.values() for n in re.findall(r"(gmem_\w+)\(",
                                                                       " ".join(lines))}
    names = sorted((n for n in names if n in items and n != item.name))
    topic = "gmem_live_update" if item.header in LIVE_UPDATE else "gmem_conversion"
    references = [(n, "3") for n in names] + [("gmem", "7"), (topic, "7")]
    return [f".Xr {n} {s}" + (" ," if i + 1 < len(references) else "")
            for i, (n, s) in enumerate(references)]


def write_man(item, items, date):
    result, parameters = prototype(item)
    out = ['.\\" SPDX-FileCopyrightText: The libgmem authors',
           '.\\" SPDX-License-Identifier: LGPL-2.1-or-later OR MIT',
           '.\\" Made from the header by doc/headers.py.',
           f".Dd {date}", f".Dt {item.name.upper()} 3", ".Os libgmem",
           ".Sh NAME", f".Nm {item.name}", f".Nd {item.brief}",
           ".Sh SYNOPSIS", ".In libgmem/gmem.h", f'.Ft "{result}"', f".Fo {item.name}"]
    out += [f'.Fa "{p}"' for p in parameters or ["void"]] + [".Fc", ".Sh DESCRIPTION"]
    if item.parameters:
        out.append(".Bl -tag -width Ds")
        for name, text in item.parameters:
            out += [f".It Fa {name}", *sentences([text])]
        out.append(".El")
    elif not item.text:
        out.append(escape(item.brief[0].upper() + item.brief[1:] + "."))
    roff(item.text, out)
    for kind in used_types(item, items):
        write_type(kind, out)
    out.append(".Sh RETURN VALUES")
    if "Return:" in item.sections:
        out += sentences(item.sections["Return:"])
    elif result == "void":
        out.append("None.")
    else:
        out.append("0 on success, a negative errno on failure.")
    out += [".Sh EXAMPLES", ".Bd -literal"]
    out += [escape(line[2:]) for line in trimmed(item.sections["Example:"])] + [".Ed"]
    if errors(item):
        out.append(".Sh ERRORS")
        out.append("The negative errno is one of these, and no other:")
        out.append(".Bl -tag -width Er")
        for name, text in errors(item):
            out += [f".It Bq Er {name}", *sentences([text + "."])]
        out.append(".El")
    out += [".Sh SEE ALSO"] + see_also(item, items)
    out += [".Sh CAVEATS", "Threads:"] + sentences(item.sections["Threads:"])
    if "Source:" in item.sections:
        out += [".Pp", "Source of the kernel's rules:"]
        out += sentences(item.sections["Source:"])
    return "\n".join(out) + "\n"


def trimmed(lines):
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


HEADER_C = """/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Made from the public headers by doc/headers.py. */
"""


def write_errors(items, order):
    out = [HEADER_C + "#include <errno.h>\n"]
    for name in order:
        codes = [code for code, _ in errors(items[name])]
        if codes:
            out.append(f"#define DOCUMENTED_{name} {{ {', '.join(codes)}, 0 }}")
    return "\n".join(out) + "\n"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_explain(items, order):
    out = [HEADER_C + '#include <errno.h>\n#include "explain.h"\n',
           "const struct explain_call explain_library[] = {"]
    for name in order:
        if errors(items[name]):
            out.append(f"\t{{ {quoted(name)}, {quoted(items[name].brief)}, (const struct explain_error[]){{")
            out += [f"\t\t{{ .code = {code}, .when = {quoted(text)} }},"
                    for code, text in errors(items[name])]
            out.append("\t\t{ 0 } } },")
    out.append("\t{ 0 }\n};")
    return "\n".join(out) + "\n"


def write_examples(items, order):
    out = [HEADER_C + "#include <errno.h>\n#include <fcntl.h>\n#include <libgmem/gmem.h>\n#include <stdio.h>\n#include <string.h>\n"
           "#include <unistd.h>\n"]
    for name in order:
        head = (f"int example_{name}(int vm_fd, struct gmem *gmem, struct gmem_probe *probe,\n"
                "\tstruct gmem_session *session, struct gmem_blob *blob, struct kvm_run *run,\n"
                "\tstruct gmem_space *space, struct gmem_error *error)")
        body = "\n".join("\t" + line for line in trimmed(items[name].sections["Example:"]))
        out.append(f"{head};\n{head}\n{{\n\t(void)vm_fd, (void)gmem, (void)probe, (void)error;\n"
                       f"\t(void)session, (void)blob, (void)run, (void)space;\n"
                   f"\t{{\n{body}\n\t}}\n\treturn 0;\n}}\n")
    return "\n".join(out)


def main():
    arguments = argparse.ArgumentParser(description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=("functions", "man", "errors", "explain", "examples"))
    arguments.add_argument("--date", default="")
    arguments.add_argument("--directory")
    arguments.add_argument("--page", action="append", default=[])
    arguments.add_argument("headers", nargs="+", metavar="HEADER")
    options = arguments.parse_args()
    items, order = parse(options.headers)
    for name in order:
        for section in ("Threads:", "Example:"):
            if section not in items[name].sections:
                fail(name, f"its comment has no '{section}'")
        _, parameters = prototype(items[name])
        declared = [re.search(r"(\w+)$", p)[1] for p in parameters]
        if declared != [p[0] for p in items[name].parameters]:
            fail(name, f"documents {items[name].parameters}, declares {declared}")
    if options.what == "functions":
        print("\n".join(order))
    elif options.what == "man":
        for name in options.page:
            if name not in order:
                fail(name, "no such function")
            with open(f"{options.directory}/{name}.3", "w") as page:
                page.write(write_man(items[name], items, options.date))
    elif options.what == "errors":
        print(write_errors(items, order), end="")
    elif options.what == "explain":
        print(write_explain(items, order), end="")
    else:
        print(write_examples(items, order), end="")


if __name__ == "__main__":
    main()
