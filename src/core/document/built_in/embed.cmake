# cmake -DOUTPUT=x.cpp "-DFILES=a.yaml;b.yaml" -P embed.cmake: the documents as one source file.
set(text "// Generated from the files of src/core/document/built_in.\n#include \"core/document/built_in.hpp\"\n\nnamespace belay::document {\nnamespace {\nconstexpr BuiltIn kDocuments[] = {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} content)
  string(APPEND text "    {\"${name}\", R\"belay_doc(${content})belay_doc\"},\n")
endforeach()
string(APPEND text "};\n}  // namespace\nstd::span<const BuiltIn> built_in_documents() { return kDocuments; }\n}  // namespace belay::document\n")
file(WRITE ${OUTPUT} "${text}")
