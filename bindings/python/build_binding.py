"""The extension maplog._binding: maplog.h as cffi reads it, and the helpers of binding.c."""
import pathlib
import re

import cffi

import library

HERE = pathlib.Path(__file__).resolve().parent


def declarations(header):
    """A public header without what cffi's parser does not know: comments, conditions, export marks."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    text = re.sub(r"#define (\w+) \(?(-?\d+)\)?\s*$", r"@define \1 \2", text, flags=re.M)
    text = re.sub(r"^#ifdef __cplusplus.*?^#endif$", "", text, flags=re.M | re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return text.replace("@define", "#define").replace("MAPLOG_API", "")


def helpers():
    text = (HERE / "binding.h").read_text()
    return re.sub(r"^#.*$", "", text, flags=re.M)


ffibuilder = cffi.FFI()
for name in ("maplog.h", "maplog_file.h"):
    ffibuilder.cdef(declarations(library.headers() / name))
ffibuilder.cdef(helpers())
ffibuilder.cdef("""
    extern "Python" int binding_visit_topic(void *context, const struct maplog_topic *topic);
    extern "Python" int binding_visit_config(void *context, const char *name, const char *value,
                                             int is_default);
""")
ffibuilder.set_source("maplog._binding", (HERE / "binding.c").read_text(),
                      include_dirs=[str(HERE), *library.arguments().pop("include_dirs", [])],
                      **{name: value for name, value in library.arguments().items()
                         if name != "include_dirs"})
