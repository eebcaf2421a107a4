#pragma once
// What the areas share and nobody else needs: conditions, pages by key, compressed text.
#include <algorithm>
#include <bit>
#include <charconv>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "store/store.hpp"

namespace belay::store::detail {

// A WHERE clause that grows: every value becomes a parameter, so that no text of a caller ever gets into the SQL.
class Where {
 public:
  // `condition` holds ? for each value, in order.
  void add(std::string_view condition, Params values = {}) {
    text_ += text_.empty() ? " WHERE (" : " AND (";
    for (const char c : condition) {
      if (c != '?') {
        text_ += c;
        continue;
      }
      BELAY_ASSERT(!values.empty());
      text_ += bind(std::move(values.front()));
      values.erase(values.begin());
    }
    BELAY_ASSERT(values.empty());
    text_ += ")";
  }
  // No condition where there are no values. Lists are padded to a power of two: few different statements to prepare.
  template <typename T>
  void any_of(std::string_view column, const std::vector<T>& values) {
    if (values.empty()) return;
    text_ += text_.empty() ? " WHERE (" : " AND (";
    text_ += list(column, values) + ")";
  }
  template <typename T>
  std::string list(std::string_view column, const std::vector<T>& values) {
    std::string text = std::string(column) + " IN (";
    for (std::size_t i = 0; i < std::bit_ceil(values.size()); ++i)
      text += (i ? "," : "") + bind(SqlValue(values[std::min(i, values.size() - 1)]));
    return text + ")";
  }
  std::string bind(SqlValue value) {
    params_.push_back(std::move(value));
    return "$" + std::to_string(params_.size());
  }
  const std::string& text() const { return text_; }
  const Params& params() const { return params_; }

 private:
  std::string text_;
  Params params_;
};

inline constexpr std::size_t kFilterValuesMax = 1'000;  // in one list of a filter

template <typename... Lists>
Status check_lists(const Lists&... lists) {
  if (((lists.size() <= kFilterValuesMax) && ...)) return {};
  return Error(Code::invalid_argument, "a filter holds more than " + std::to_string(kFilterValuesMax) + " values");
}

inline std::int64_t limit_of(const Page& page) { return std::clamp<std::int64_t>(page.limit, 1, kPageLimitMax); }

// Ask for limit_of(page) + 1 rows; `key` names the last item shown.
template <typename T, typename Key>
Listed<T> paged(std::vector<T> items, const Page& page, const Key& key) {
  Listed<T> listed{std::move(items), {}};
  const auto limit = static_cast<std::size_t>(limit_of(page));
  if (listed.items.size() <= limit) return listed;
  listed.items.erase(listed.items.begin() + static_cast<std::ptrdiff_t>(limit), listed.items.end());
  listed.next = key(listed.items.back());
  return listed;
}

// Keys of more than one column travel as "number.text".
inline std::string cursor(std::int64_t number, std::string_view text = {}) {
  return std::to_string(number) + "." + std::string(text);
}
inline std::string cursor(Instant at, std::string_view text) { return cursor(to_unix_ms(at), text); }
struct Cursor {
  std::int64_t number = 0;
  std::string text;
};
inline Result<Cursor> parse_cursor(std::string_view after) {
  Cursor found;
  const auto dot = after.find('.');
  const auto end = after.data() + std::min(dot, after.size());
  const auto [stop, error] = std::from_chars(after.data(), end, found.number);
  if (dot == std::string_view::npos || error != std::errc() || stop != end)
    return Error(Code::invalid_argument, "the page token is not one that was given", "page-token-invalid");
  found.text = after.substr(dot + 1);
  return found;
}

inline Error missing(std::string_view what, std::string_view id) {
  return Error(Code::not_found, "there is no " + std::string(what) + " " + std::string(id));
}

// already_exists in words of the area where the row was there.
inline Error taken(std::string_view what, std::string_view id) {
  return Error(Code::already_exists, std::string(what) + " " + std::string(id) + " exists already");
}

// Text at rest. decompress: corrupt where it is not what compress made, or larger than `bytes_max`.
Blob compress(std::string_view text);
Result<std::string> decompress(std::string_view bytes, std::size_t bytes_max = kTextBytesMax);

template <typename T>
Result<T> decode_stored(std::string_view text, std::string_view what) {
  auto value = json::decode_text<T>(text, {.bytes_max = kTextBytesMax, .depth_max = 64});
  if (value.ok()) return value;
  return Error(Code::corrupt, std::string(what) + " in the store cannot be read: " + value.error().chain());
}

// A caller's function, for the drivers: what it throws must not leave a transaction open, and an error of the database
// that it passes over must not be committed.
inline Status fenced(const std::function<Status(Sql&)>& work, Sql& sql) {
  try {
    Status status = work(sql);
    if (status.ok() && sql.failure()) return *sql.failure();
    return status;
  } catch (const std::exception& thrown) {
    return Error(Code::internal, std::string("a transaction's function threw: ") + thrown.what());
  }
}

// The reader of a row, over all of them.
template <typename T, typename Read>
Result<std::vector<T>> read_all(const Rows& rows, const Read& read) {
  std::vector<T> items;
  items.reserve(rows.size());
  for (const auto& row : rows) {
    BELAY_TRY_ASSIGN(auto item, read(row));
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace belay::store::detail
