// The first bytes choose the operation and the way: the rest is the body's text, or it decides what a body made along
// the shape holds, so that the fuzzer gets past JSON's grammar. Either is checked against the shape.
#include <span>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "server/api/shapes/validate.hpp"

namespace {

using namespace belay;
using server::shapes::Kind;
using server::shapes::Shape;

class Maker {
 public:
  explicit Maker(std::span<const unsigned char> bytes) : bytes_(bytes) {}

  json::Value make(const Shape& shape, int depth) {
    const unsigned char way = next();
    if (way == 0 || depth > 12) return anything();
    switch (shape.kind) {
      case Kind::structure: return structure(shape, depth);
      case Kind::list: {
        json::Array out;
        for (int i = next() % 8; i > 0; --i) out.push_back(make(*shape.item, depth + 1));
        return out;
      }
      case Kind::map: {
        json::Object out;
        for (int i = next() % 8; i > 0; --i) out[text(next() % 12)] = make(*shape.item, depth + 1);
        return out;
      }
      case Kind::enumeration:
        return json::Value(way % 4 == 0 ? std::string_view("x") : shape.values[way % shape.values.size()]);
      case Kind::integer:
      case Kind::long_integer: return number();
      case Kind::boolean: return way % 2 == 0;
      case Kind::time:
        return way % 2 == 0 ? json::Value(static_cast<double>(number()) / 1000) : json::Value(text(way % 30));
      case Kind::text:
      case Kind::blob:
        return json::Value(way == 255 ? std::string(static_cast<std::size_t>(shape.max.value_or(100) % 70'000) + 1, 'a')
                                      : text(way % 140));
    }
    return nullptr;
  }

 private:
  unsigned char next() {
    if (bytes_.empty()) return 1;
    const unsigned char out = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return out;
  }
  std::int64_t number() {
    std::uint64_t out = 0;
    for (int i = next() % 9; i > 0; --i) out = (out << 8) | next();
    return static_cast<std::int64_t>(out);
  }
  std::string text(std::size_t length) {
    std::string out;
    while (out.size() < length) out += static_cast<char>(next());
    return is_valid_utf8(out) ? out : sanitize(out, 400);
  }
  json::Value structure(const Shape& shape, int depth) {
    json::Object out;
    for (const auto& member : shape.members)
      if (member.required || next() % 2 == 0) out[member.name] = make(*member.shape, depth + 1);
    return out;
  }
  json::Value anything() {
    switch (next() % 6) {
      case 0: return nullptr;
      case 1: return number();
      case 2: return json::Array();
      case 3: return json::Object{{"a", nullptr}};
      case 4: return 1.5e300;
      default: return json::Value(text(5));
    }
  }
  std::span<const unsigned char> bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const auto inputs = [] {
    std::vector<const Shape*> out;
    for (const auto& [name, operation] : server::shapes::model().operations())
      if (operation.input) out.push_back(operation.input);
    return out;
  }();
  if (size < 3) return 0;
  const Shape& shape = *inputs[(data[0] * std::size_t{256} + data[1]) % inputs.size()];
  const std::span rest(data + 3, size - 3);
  json::Value body;
  if (data[2] % 2 == 0) {
    auto parsed =
        json::parse({reinterpret_cast<const char*>(rest.data()), rest.size()}, {.bytes_max = 1 << 20, .depth_max = 32});
    if (!parsed.ok()) return 0;
    body = std::move(*parsed);
  } else {
    body = Maker(rest).make(shape, 0);
  }
  const auto refusal = server::shapes::validate(shape, body);
  BELAY_ASSERT(!refusal || (!refusal->message.empty() && refusal->message.size() < (1 << 20)));
  return 0;
}
