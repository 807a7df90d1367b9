// SPDX-License-Identifier: Apache-2.0
// Is a network a data centre? Our own list in rules/datacentres.txt: numbers of autonomous systems
// of well-known clouds and hosters, and large ranges of theirs for records that have no ASN. What
// is in neither may still say so by its name ("Example Hosting").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::detect {

class Datacentres {
 public:
  Datacentres();  // from the list in the program

  bool asn(std::uint32_t number, std::string_view name);
  // Whose range it is, as a number; 0: of none.
  std::uint32_t v4(std::uint32_t address) const;
  std::size_t size() const { return asns_.size() + ranges_.size(); }

 private:
  struct Known {
    std::uint32_t asn = 0;
    bool datacentre = false;
  };
  std::vector<std::uint32_t> asns_;  // sorted
  struct Range {
    std::uint32_t first = 0, last = 0, owner = 0;
  };
  std::vector<Range> ranges_;         // sorted
  std::array<Known, 1'024> asked_{};  // names are slow to look at; the last answers
};

}  // namespace sallyport::detect
