package libpod

import (
	"crypto/rand"
	"math/big"
	"strconv"
)

// randomName makes a readable name; after many tries with a number behind it.
func randomName(try int) string {
	left := [...]string{
		"amber", "brisk", "calm", "clever", "copper", "crisp", "daring", "deep", "eager", "early", "fair", "gentle",
		"glad", "golden", "grand", "green", "happy", "hidden", "humble", "keen", "kind", "lively", "loyal", "lucid",
		"mellow", "merry", "mild", "modest", "noble", "patient", "plain", "proud", "quick", "quiet", "rapid", "ripe",
		"rosy", "round", "rustic", "shady", "silent", "silver", "slender", "smart", "snug", "solid", "spry", "steady",
		"still", "sunny", "swift", "tidy", "vivid", "warm", "wild", "wise", "witty", "young", "zealous", "zesty",
	}
	right := [...]string{
		"acacia", "alder", "almond", "apple", "apricot", "ash", "aspen", "bamboo", "banyan", "baobab", "beech", "birch",
		"carob", "cedar", "cherry", "chestnut", "citron", "cypress", "date", "ebony", "elder", "elm", "fig", "fir",
		"ginkgo", "hawthorn", "hazel", "hickory", "holly", "jasmine", "juniper", "larch", "laurel", "lemon", "linden", "mango",
		"maple", "medlar", "mulberry", "myrtle", "oak", "olive", "orange", "palm", "peach", "pear", "pecan", "pine",
		"plane", "plum", "poplar", "quince", "rowan", "spruce", "sumac", "tamarind", "teak", "walnut", "willow", "yew",
	}
	name := left[pick(len(left))] + "_" + right[pick(len(right))]
	if try > 4 {
		name += strconv.Itoa(pick(10000))
	}
	return name
}

func pick(n int) int {
	i, _ := rand.Int(rand.Reader, big.NewInt(int64(n))) // never fails since Go 1.24
	return int(i.Int64())
}
