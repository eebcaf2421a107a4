#pragma once
// iCalendar text as lines of NAME;PARAMETER=VALUE:VALUE, unfolded. Only for this room's own sources.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace belay::calendar {

struct ContentLine {
  std::size_t number = 0;                                       // of the text, from 1
  std::string name;                                             // upper case
  std::vector<std::pair<std::string, std::string>> parameters;  // names in upper case, values without quotes
  std::string value;

  // "" where absent.
  std::string_view parameter(std::string_view wanted) const;
};

// "line 12: …", of invalid_argument.
Error at_line(std::size_t number, std::string_view what);

// Lines may end in CRLF, as they should, or LF. Empty lines are passed over.
Result<std::vector<ContentLine>> content_lines(std::string_view text);

// \n \, \; and \\ of a text value.
std::string unescape(std::string_view text);

}  // namespace belay::calendar
