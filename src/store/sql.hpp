#pragma once
// One SQL text on both drivers: `$1` … `$n`, BIGINT, TEXT, BLOB, DOUBLE PRECISION. Handed to the functions of the
// areas (nodes.hpp, orders.hpp, …); code outside the store's rooms has no need to call its members.
#include <boost/describe.hpp>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::store {

// What hashing and sealing the areas need; io has the real ones, tests plain ones. seal(unseal(x)) is x.
struct Seams {
  std::function<std::string(std::string_view)> sha256_hex;      // 64 lower-case digits
  std::function<std::string(std::string_view)> seal;            // any bytes to any bytes, under a key of the server's
  std::function<Result<std::string>(std::string_view)> unseal;  // corrupt where the key or the bytes are not the ones
};

struct Blob {
  std::string bytes;
};

// One value on its way in or out. Times are milliseconds since 1970 UTC, described enums their names, bool 0 or 1.
class SqlValue {
 public:
  SqlValue() = default;  // NULL
  SqlValue(std::nullopt_t) {}
  template <std::integral T>
  SqlValue(T value) : content_(static_cast<std::int64_t>(value)) {}
  SqlValue(double value) : content_(value) {}
  SqlValue(Instant value) : content_(to_unix_ms(value)) {}
  SqlValue(std::string value) : content_(std::move(value)) {}
  SqlValue(std::string_view value) : content_(std::string(value)) {}
  SqlValue(const char* value) : content_(std::string(value)) {}
  SqlValue(Blob value) : content_(std::move(value)) {}
  template <typename E>
    requires std::is_enum_v<E>
  SqlValue(E value) : content_(std::string(boost::describe::enum_to_string(value, ""))) {}
  template <typename T>
  SqlValue(const std::optional<T>& value) {
    if (value) *this = SqlValue(*value);
  }

  using Content = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;
  const Content& content() const { return content_; }
  bool is_null() const { return content_.index() == 0; }

 private:
  Content content_;
};

using Params = std::vector<SqlValue>;

// One row of an answer. A getter of another type than the column's is a bug of the SQL text, not an error.
class Row {
 public:
  explicit Row(std::vector<SqlValue> values) : values_(std::move(values)) {}
  std::size_t size() const { return values_.size(); }
  bool is_null(std::size_t column) const { return at(column).is_null(); }
  std::int64_t integer(std::size_t column) const;
  bool boolean(std::size_t column) const { return integer(column) != 0; }
  double real(std::size_t column) const;
  const std::string& text(std::size_t column) const;
  const std::string& blob(std::size_t column) const;
  Instant instant(std::size_t column) const { return from_unix_ms(integer(column)); }
  std::optional<Instant> optional_instant(std::size_t column) const;
  std::optional<std::string> optional_text(std::size_t column) const;
  template <typename E>
  Result<E> enumerator(std::size_t column) const {
    E found{};
    if (boost::describe::enum_from_string(text(column).c_str(), found)) return found;
    return Error(Code::corrupt,
                 "the store holds the unknown word '" + text(column) + "'; was it written by a newer version?");
  }

 private:
  const SqlValue& at(std::size_t column) const;
  std::vector<SqlValue> values_;
};
using Rows = std::vector<Row>;

inline constexpr std::size_t kTextBytesMax = 32u << 20;  // of one value
inline constexpr std::size_t kRowsMax = 2'000'000;       // of one answer

// A transaction under way. Any error ends it: what follows fails likewise, and it is rolled back whatever the
// function that got it returns. Text that is not UTF-8 or holds NUL is refused (invalid_argument). Not for two threads.
class Sql {
 public:
  virtual ~Sql() = default;
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  // Rows touched.
  Result<std::int64_t> exec(std::string_view text, const Params& params = {});
  Result<Rows> query(std::string_view text, const Params& params = {});
  // The first row of the answer, if any.
  Result<std::optional<Row>> query_one(std::string_view text, const Params& params = {});
  // One statement for each row of parameters, in order (PostgreSQL: pipelined). Rows touched in sum.
  Result<std::int64_t> exec_many(std::string_view text, std::span<const Params> rows);
  // One answer for each row of parameters, in order.
  Result<std::vector<Rows>> query_many(std::string_view text, std::span<const Params> rows);

  const Seams& seams() const { return seams_; }
  const std::optional<Error>& failure() const { return failure_; }

 protected:
  explicit Sql(const Seams& seams) : seams_(seams) {}
  virtual Result<std::int64_t> do_exec(std::string_view text, const Params& params) = 0;
  virtual Result<Rows> do_query(std::string_view text, const Params& params) = 0;
  virtual Result<std::int64_t> do_exec_many(std::string_view text, std::span<const Params> rows) = 0;
  virtual Result<std::vector<Rows>> do_query_many(std::string_view text, std::span<const Params> rows) = 0;

 private:
  template <typename T>
  Result<T> guarded(std::span<const Params> rows, const std::function<Result<T>()>& call);
  const Seams& seams_;
  std::optional<Error> failure_;
};

}  // namespace belay::store
