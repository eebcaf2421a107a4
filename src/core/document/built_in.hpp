#pragma once
// The documents that are there without anybody making them: Belay's own, under its names and under those AWS's users
// know.
#include <span>
#include <string_view>

namespace belay::document {

struct BuiltIn {
  std::string_view name;     // "Belay-RunShellScript"
  std::string_view content;  // YAML, schema 2.2
};
std::span<const BuiltIn> built_in_documents();

// By its own name or by AWS's ("AWS-RunShellScript"), also as the last part of an ARN; nullptr where it is neither.
const BuiltIn* find_built_in(std::string_view name);
// AWS's name of the document, "" where AWS has none such.
std::string_view aws_name_of(std::string_view belay_name);

}  // namespace belay::document
