#pragma once
// A regular expression that somebody else wrote, held against text that somebody else wrote: bounded in work, so that
// no pair of the two can stop the server.
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay {

class Pattern {
 public:
  // invalid_argument with the place in the pattern. At most 2,000 bytes.
  static Result<Pattern> compile(std::string_view text);
  // Whether the pattern describes the whole text, with or without ^ and $. Where the answer takes too much work, false.
  bool matches_whole(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace belay
