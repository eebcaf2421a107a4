#pragma once
// Where in a shell script a reference stands, so that a value put there can be spelled as one piece of that place.
#include <vector>

#include "core/document/references.hpp"

namespace belay::document {

enum class Place {
  plain,          // outside quotes: part of a word
  double_quoted,  // inside "…"
  single_quoted,  // inside '…'
  // Here-documents, comments, `…`, arithmetic, [[ … ]], $'…', after code that comes in as a parameter, in scripts for
  // another interpreter than sh, and wherever the script's quotes do not add up: it cannot be told for certain.
  unknown,
};

// One for each reference among the pieces, in order. `is_code` marks pieces that bring lines of their own.
// It errs to `unknown`, never to a place the reference is not at.
std::vector<Place> places_in(const std::vector<Piece>& script, const std::vector<bool>& is_code);

}  // namespace belay::document
