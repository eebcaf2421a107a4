#pragma once
// Where in a shell script a reference stands, so that a value put there can be spelled as one piece of that place.
#include <vector>

#include "core/document/references.hpp"

namespace belay::document {

enum class ShellPlace {
  plain,          // outside quotes: part of a word
  double_quoted,  // inside "…"
  single_quoted,  // inside '…'
  // Here-documents, comments, `…`, arithmetic, [[ … ]]; and all that follows $'…', ((…)), code that comes in as a
  // parameter, or something else whose end cannot be told for certain; and all of a script for another interpreter.
  unknown,
};

// One for each reference among the pieces, in order. `is_code` marks pieces that bring lines of their own.
// It errs to `unknown`, never to a place the reference is not at.
std::vector<ShellPlace> places_in(const std::vector<Piece>& script, const std::vector<bool>& is_code);

// The words that end here-documents, as far as they stand in the text; a few too many rather than one too few.
std::vector<std::string> here_document_words(std::string_view text);

}  // namespace belay::document
