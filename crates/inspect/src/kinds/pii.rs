//! Personal data: names, numbers and addresses of people. New kinds go to the end.

kinds! {
    /// Kinds of personal data that came after the first ones.
    enum Personal from super::FIRST_PII;
    UsItin = "pii.us-itin", "US individual taxpayer number", [National]
        .region("US").example(&["itin 965-94-5583"]).notes("without the usual separators, only near a word that announces it");
    UsEin = "pii.us-ein", "US employer identification number", [National]
        .region("US").example(&["ein 95-9938781"]).notes("only near a word that announces it");
    UsPassport = "pii.us-passport", "US passport number", [National]
        .region("US").example(&["us passport 805969550"]).notes("only after a word that announces it");
    UsDriverLicense = "pii.us-driver-license", "US driving licence", [National]
        .region("US").example(&["driver s license T3923570"]).notes("only after a word that announces it");
    UsBank = "pii.us-bank-account", "US bank account number", [National]
        .region("US").legal("financial").example(&["account number 37390859"]).notes("only after a word that announces it");
    UsAba = "pii.us-aba", "US bank routing number", [National]
        .region("US").legal("financial").checksum("weights 3 7 1 mod 10").example(&["aba 2634-0537-4"]).notes("without the usual separators, only near a word that announces it");
    UsNpi = "pii.us-npi", "US national provider identifier", [National]
        .region("US").legal("health").checksum("Luhn with 80840").example(&["npi 2429-004-841"]).notes("without the usual separators, only near a word that announces it");
    UsDea = "pii.us-dea", "US DEA registration of a prescriber", [National]
        .region("US").legal("health").checksum("DEA mod 10").example(&["dea PH4783090"]).notes("only near a word that announces it");
    UsMbi = "pii.us-mbi", "US Medicare beneficiary identifier", [National]
        .region("US").legal("health").example(&["mbi 9C12-FQ2-CT46"]);
    UsZip = "pii.us-zip", "US ZIP code", [National]
        .region("US").example(&["zip code 96339-1255"]).notes("only after a word that announces it");
    CaSin = "pii.ca-sin", "Canadian social insurance number", [National]
        .region("CA").checksum("Luhn").example(&["sin 778 106 344"]).notes("without the usual separators, only near a word that announces it");
    CaPassport = "pii.ca-passport", "Canadian passport number", [National]
        .region("CA").example(&["canadian passport LQ646975"]).notes("only after a word that announces it");
    CaPostcode = "pii.ca-postcode", "Canadian postal code", [National]
        .region("CA").example(&["code postal N8B 4X6"]).notes("without the usual separators, only near a word that announces it");
    CaHealth = "pii.ca-health-card", "Canadian health card", [National]
        .region("CA").legal("health").checksum("Luhn (Ontario)").example(&["health card 7962-395-711-UW"]).notes("without the usual separators, only near a word that announces it");
    MxCurp = "pii.mx-curp", "Mexican CURP", [National]
        .region("MX").checksum("CURP mod 10").example(&["curp HTVH770424XUBGQJ08"]);
    MxRfc = "pii.mx-rfc", "Mexican tax number (RFC)", [National]
        .region("MX").checksum("RFC mod 11").example(&["rfc CPWQ150120W95"]).notes("without the usual separators, only near a word that announces it");
    MxClabe = "pii.mx-clabe", "Mexican bank account (CLABE)", [National]
        .region("MX").legal("financial").checksum("CLABE mod 10").example(&["clabe 009323108379208032"]).notes("without the usual separators, only near a word that announces it");
    MxNss = "pii.mx-nss", "Mexican social security number", [National]
        .region("MX").checksum("Luhn").example(&["nss 06765267627"]).notes("without the usual separators, only near a word that announces it");
    BrCpf = "pii.br-cpf", "Brazilian CPF", [National]
        .region("BR").checksum("two mod 11 digits").example(&["cpf 759.165.082-39"]).notes("without the usual separators, only near a word that announces it");
    BrCnpj = "pii.br-cnpj", "Brazilian CNPJ", [National]
        .region("BR").checksum("two mod 11 digits").example(&["cnpj 57.705.081/6889-18"]).notes("without the usual separators, only near a word that announces it");
    BrRg = "pii.br-rg", "Brazilian identity card (RG)", [National]
        .region("BR").example(&["rg 11.749.076-0"]).notes("only after a word that announces it");
    ArCuit = "pii.ar-cuit", "Argentine CUIT or CUIL", [National]
        .region("AR").checksum("mod 11").example(&["cuit 20-08864348-9"]).notes("without the usual separators, only near a word that announces it");
    ArDni = "pii.ar-dni", "Argentine identity number", [National]
        .region("AR").example(&["nro de documento 58.731.078"]).notes("only after a word that announces it");
    ClRut = "pii.cl-rut", "Chilean RUT", [National]
        .region("CL").checksum("mod 11").example(&["run 89.450.980-5"]).notes("without the usual separators, only near a word that announces it");
    CoNit = "pii.co-nit", "Colombian tax number (NIT)", [National]
        .region("CO").checksum("mod 11").example(&["nit 152.290.423-7"]).notes("without the usual separators, only near a word that announces it");
    CoCedula = "pii.co-cedula", "Colombian identity card", [National]
        .region("CO").example(&["cédula de ciudadanía 7.586.098.121"]).notes("only after a word that announces it");
    PeRuc = "pii.pe-ruc", "Peruvian tax number (RUC)", [National]
        .region("PE").checksum("mod 11").example(&["sunat 15099418238"]).notes("only near a word that announces it");
    PeDni = "pii.pe-dni", "Peruvian identity number", [National]
        .region("PE").example(&["dni perú 65434333"]).notes("only after a word that announces it");
    EcCedula = "pii.ec-cedula", "Ecuadorian identity number", [National]
        .region("EC").checksum("mod 10").example(&["cédula ecuatoriana 1942586866"]).notes("only near a word that announces it");
    UyCi = "pii.uy-ci", "Uruguayan identity number", [National]
        .region("UY").checksum("mod 10").example(&["cédula uruguaya 0.164.174-2"]).notes("without the usual separators, only near a word that announces it");
    VeCedula = "pii.ve-cedula", "Venezuelan identity number", [National]
        .region("VE").example(&["rif V-88853752"]).notes("only after a word that announces it");
    UkNhs = "pii.uk-nhs", "British NHS number", [National]
        .region("GB").legal("health").checksum("mod 11").example(&["nhs 604 674 2552"]).notes("without the usual separators, only near a word that announces it");
    UkNino = "pii.uk-nino", "British national insurance number", [National]
        .region("GB").example(&["nino ST 67 51 76 B"]).notes("without the usual separators, only near a word that announces it");
    UkPassport = "pii.uk-passport", "British passport number", [National]
        .region("GB").example(&["british passport 750163485"]).notes("only after a word that announces it");
    UkDrivingLicence = "pii.uk-driving-licence", "British driving licence", [National]
        .region("GB").example(&["dvla IQQEE20413238SQA"]);
    UkPostcode = "pii.uk-postcode", "British postcode", [National]
        .region("GB").example(&["british postcode E9 9FS"]).notes("without the usual separators, only near a word that announces it");
    UkPlate = "pii.uk-plate", "British number plate", [National]
        .region("GB").example(&["registration number VF97 ZYC"]).notes("only after a word that announces it");
    UkUtr = "pii.uk-utr", "British tax reference (UTR)", [National]
        .region("GB").checksum("mod 11").example(&["utr 1250456992"]).notes("only near a word that announces it");
    UkSortCode = "pii.uk-sort-code", "British bank sort code", [National]
        .region("GB").legal("financial").example(&["sort code 08-82-86"]).notes("only after a word that announces it");
    IePps = "pii.ie-pps", "Irish PPS number", [National]
        .region("IE").checksum("mod 23").example(&["pps 9953960D"]);
    FrNir = "pii.fr-nir", "French social security number", [National]
        .region("FR").checksum("mod 97").example(&["nir 8 97 54 73 463 599 09"]);
    FrSiren = "pii.fr-siren", "French company number (SIREN, SIRET)", [National]
        .region("FR").checksum("Luhn").example(&["siren 622 356 921"]).notes("only near a word that announces it");
    FrTax = "pii.fr-tax", "French tax number", [National]
        .region("FR").checksum("mod 511").example(&["numéro fiscal 07 38 570 024 262"]).notes("only near a word that announces it");
    FrPassport = "pii.fr-passport", "French passport or identity card", [National]
        .region("FR").example(&["carte d identité 99LO09819"]).notes("only near a word that announces it");
    DeTaxId = "pii.de-tax-id", "German tax identifier", [National]
        .region("DE").checksum("ISO 7064 mod 11,10").example(&["steuer id 85 220 041 482"]).notes("without the usual separators, only near a word that announces it");
    DeTaxNumber = "pii.de-tax-number", "German tax number", [National]
        .region("DE").example(&["steuernummer 22/383/17529"]).notes("only after a word that announces it");
    DeSocial = "pii.de-social-security", "German social security number", [National]
        .region("DE").checksum("RVNR mod 10").example(&["rvnr 34500744A524"]);
    DeHealth = "pii.de-health-insurance", "German health insurance number", [National]
        .region("DE").legal("health").checksum("KVNR mod 10").example(&["kvnr N182061502"]).notes("only near a word that announces it");
    DeBsnr = "pii.de-bsnr", "German number of a medical practice", [National]
        .region("DE").legal("health").example(&["bsnr 829633042"]).notes("only after a word that announces it");
    DeLanr = "pii.de-lanr", "German number of a physician", [National]
        .region("DE").legal("health").checksum("weights 4 9 mod 10").example(&["lanr 477319171"]).notes("only near a word that announces it");
    DeIdCard = "pii.de-id-card", "German identity card", [National]
        .region("DE").checksum("weights 7 3 1 mod 10").example(&["personalausweis P923T2648"]).notes("only near a word that announces it");
    DePassport = "pii.de-passport", "German passport", [National]
        .region("DE").checksum("weights 7 3 1 mod 10").example(&["pass nr Y08516668"]).notes("only near a word that announces it");
    DePlz = "pii.de-postcode", "German postcode", [National]
        .region("DE").example(&["plz 69625"]).notes("only after a word that announces it");
    DeRegister = "pii.de-register", "German company register number", [National]
        .region("DE").example(&["handelsregister HRB 51943"]).notes("only after a word that announces it");
    AtSvnr = "pii.at-social-security", "Austrian social security number", [National]
        .region("AT").checksum("mod 11").example(&["sv nr 1792 501480"]).notes("without the usual separators, only near a word that announces it");
    ChAhv = "pii.ch-ahv", "Swiss AHV number", [National]
        .region("CH").checksum("EAN-13").example(&["ahv 756.7278.0459.33"]);
    ChUid = "pii.ch-uid", "Swiss company number", [National]
        .region("CH").checksum("mod 11").example(&["ide CHE-198.975.138"]).notes("without the usual separators, only near a word that announces it");
    NlBsn = "pii.nl-bsn", "Dutch citizen service number", [National]
        .region("NL").checksum("eleven test").example(&["bsn 8749.78.257"]).notes("without the usual separators, only near a word that announces it");
    NlPostcode = "pii.nl-postcode", "Dutch postcode", [National]
        .region("NL").example(&["adres 2265 QE"]).notes("only after a word that announces it");
    BeNrn = "pii.be-national", "Belgian national register number", [National]
        .region("BE").checksum("mod 97").example(&["rijksregisternummer 05.23.12-208.86"]).notes("without the usual separators, only near a word that announces it");
    BeEnterprise = "pii.be-enterprise", "Belgian enterprise number", [National]
        .region("BE").checksum("mod 97").example(&["ondernemingsnummer 0060.345.282"]).notes("without the usual separators, only near a word that announces it");
    LuCns = "pii.lu-matricule", "Luxembourg national number", [National]
        .region("LU").checksum("Luhn and Verhoeff").example(&["matricule 2051021443219"]);
    PtNif = "pii.pt-nif", "Portuguese tax number", [National]
        .region("PT").checksum("mod 11").example(&["número de identificação fiscal 618 114 130"]).notes("only near a word that announces it");
    PtCc = "pii.pt-citizen-card", "Portuguese citizen card", [National]
        .region("PT").checksum("Luhn variant").example(&["cartão de cidadão 01544656 3 OQ0"]).notes("without the usual separators, only near a word that announces it");
    EsNif = "pii.es-nif", "Spanish DNI or NIF", [National]
        .region("ES").checksum("mod 23").example(&["número de identificación fiscal 98542323L"]).notes("without the usual separators, only near a word that announces it");
    EsNie = "pii.es-nie", "Spanish NIE of foreigners", [National]
        .region("ES").checksum("mod 23").example(&["nie Z1309517V"]).notes("without the usual separators, only near a word that announces it");
    EsCif = "pii.es-cif", "Spanish company number", [National]
        .region("ES").checksum("CIF mod 10").example(&["empresa E92319979"]).notes("only near a word that announces it");
    EsPassport = "pii.es-passport", "Spanish passport", [National]
        .region("ES").example(&["número de pasaporte FTA585842"]).notes("only after a word that announces it");
    EsSocial = "pii.es-social-security", "Spanish social security number", [National]
        .region("ES").checksum("mod 97").example(&["seguridad social 24/74628687/92"]).notes("without the usual separators, only near a word that announces it");
    ItFiscal = "pii.it-fiscal-code", "Italian fiscal code", [National]
        .region("IT").checksum("mod 26").example(&["codice fiscale MUGDTG99V60O997C"]);
    ItVat = "pii.it-vat", "Italian VAT number", [National]
        .region("IT").checksum("Luhn").example(&["partita iva 63750980581"]).notes("only near a word that announces it");
    ItIdCard = "pii.it-id-card", "Italian identity card", [National]
        .region("IT").example(&["carta d identità LO7317683"]).notes("only after a word that announces it");
    ItPassport = "pii.it-passport", "Italian passport", [National]
        .region("IT").example(&["numero passaporto WF1806413"]).notes("only after a word that announces it");
    ItLicence = "pii.it-driving-licence", "Italian driving licence", [National]
        .region("IT").example(&["patente ZU7279118V"]).notes("only after a word that announces it");
    SeNumber = "pii.se-personnummer", "Swedish personal number", [National]
        .region("SE").checksum("Luhn").example(&["samordningsnummer 520803-8330"]).notes("without the usual separators, only near a word that announces it");
    SeOrganisation = "pii.se-organisation", "Swedish organisation number", [National]
        .region("SE").checksum("Luhn").example(&["organisationsnummer 522247-2242"]).notes("without the usual separators, only near a word that announces it");
    NoFnr = "pii.no-fodselsnummer", "Norwegian birth number", [National]
        .region("NO").checksum("two mod 11 digits").example(&["fødselsnummer 204660 22919"]);
    NoOrganisation = "pii.no-organisation", "Norwegian organisation number", [National]
        .region("NO").checksum("mod 11").example(&["organisasjonsnummer 889 063 106"]).notes("only near a word that announces it");
    DkCpr = "pii.dk-cpr", "Danish CPR number", [National]
        .region("DK").checksum("mod 11 (older numbers)").example(&["cpr 140368-1983"]).notes("only near a word that announces it");
    FiHetu = "pii.fi-hetu", "Finnish personal identity code", [National]
        .region("FI").checksum("mod 31").example(&["hetu 100980-731X"]);
    FiBusiness = "pii.fi-business", "Finnish business number", [National]
        .region("FI").checksum("mod 11").example(&["y tunnus 6993275-4"]);
    IsKennitala = "pii.is-kennitala", "Icelandic kennitala", [National]
        .region("IS").checksum("mod 11").example(&["kennitala 621012-1420"]).notes("without the usual separators, only near a word that announces it");
    PlPesel = "pii.pl-pesel", "Polish PESEL", [National]
        .region("PL").checksum("weights 1 3 7 9 mod 10").example(&["pesel 64051560207"]).notes("only near a word that announces it");
    PlNip = "pii.pl-nip", "Polish tax number", [National]
        .region("PL").checksum("mod 11").example(&["numer nip 272-296-89-76"]).notes("without the usual separators, only near a word that announces it");
    PlRegon = "pii.pl-regon", "Polish REGON", [National]
        .region("PL").checksum("mod 11").example(&["regon 248690768"]).notes("only near a word that announces it");
    PlIdCard = "pii.pl-id-card", "Polish identity card", [National]
        .region("PL").checksum("weights 7 3 1 mod 10").example(&["dowód UES955003"]).notes("only near a word that announces it");
    CzRc = "pii.cz-birth-number", "Czech or Slovak birth number", [National]
        .region("CZ").checksum("mod 11").example(&["rodné číslo 777421/0026"]).notes("without the usual separators, only near a word that announces it");
    CzIco = "pii.cz-ico", "Czech company number", [National]
        .region("CZ").checksum("mod 11").example(&["ičo 28391373"]).notes("only near a word that announces it");
    HuTaj = "pii.hu-taj", "Hungarian health insurance number", [National]
        .region("HU").legal("health").checksum("mod 10").example(&["taj 873 531 034"]).notes("only near a word that announces it");
    HuTax = "pii.hu-tax", "Hungarian tax number", [National]
        .region("HU").checksum("mod 11").example(&["adóazonosító 95766364-2-37"]).notes("without the usual separators, only near a word that announces it");
    RoCnp = "pii.ro-cnp", "Romanian CNP", [National]
        .region("RO").checksum("mod 11").example(&["cnp 8250731016781"]);
    BgEgn = "pii.bg-egn", "Bulgarian EGN", [National]
        .region("BG").checksum("mod 11").example(&["егн 6545188687"]).notes("only near a word that announces it");
    HrOib = "pii.hr-oib", "Croatian OIB", [National]
        .region("HR").checksum("ISO 7064 mod 11,10").example(&["oib 69261263608"]).notes("only near a word that announces it");
    SiTax = "pii.si-tax", "Slovenian tax number", [National]
        .region("SI").checksum("mod 11").example(&["davčna 99884755"]).notes("only near a word that announces it");
    Jmbg = "pii.yu-jmbg", "personal number of former Yugoslavia (JMBG, EMŠO)", [National]
        .checksum("mod 11").example(&["jmbg 0602956105315"]);
    EeIsikukood = "pii.ee-isikukood", "Estonian or Lithuanian personal code", [National]
        .region("EE").checksum("mod 11").example(&["isikukood 73502201243"]).notes("only near a word that announces it");
    LvPersonas = "pii.lv-personas-kods", "Latvian personal code", [National]
        .region("LV").checksum("mod 11").example(&["personas kods 323258-76508"]).notes("without the usual separators, only near a word that announces it");
    GrAmka = "pii.gr-amka", "Greek AMKA", [National]
        .region("GR").checksum("Luhn").example(&["amka 17110574138"]).notes("only near a word that announces it");
    GrAfm = "pii.gr-afm", "Greek tax number", [National]
        .region("GR").checksum("mod 11").example(&["afm 004340218"]).notes("only near a word that announces it");
    UaRnokpp = "pii.ua-rnokpp", "Ukrainian tax number", [National]
        .region("UA").checksum("mod 11").example(&["рнокпп 0045774258"]).notes("only near a word that announces it");
    RuInn = "pii.ru-inn", "Russian INN", [National]
        .region("RU").checksum("mod 11").example(&["инн 6456728100"]).notes("only near a word that announces it");
    RuSnils = "pii.ru-snils", "Russian SNILS", [National]
        .region("RU").checksum("mod 101").example(&["снилс 557-449-917 48"]).notes("without the usual separators, only near a word that announces it");
    RuPassport = "pii.ru-passport", "Russian passport", [National]
        .region("RU").example(&["паспорта 83 81 042354"]).notes("only after a word that announces it");
    EuVat = "pii.eu-vat", "VAT number of an EU state", [National]
        .checksum("each state's own").example(&["vat number ATU23908074"]).notes("without the usual separators, only near a word that announces it");
    InAadhaar = "pii.in-aadhaar", "Indian Aadhaar", [National]
        .region("IN").checksum("Verhoeff").example(&["aadhaar 3368 6288 4646"]).notes("without the usual separators, only near a word that announces it");
    InPan = "pii.in-pan", "Indian tax number (PAN)", [National]
        .region("IN").example(&["pan HGISI0097H"]);
    InGstin = "pii.in-gstin", "Indian GST number", [National]
        .region("IN").checksum("mod 36").example(&["gstin 15POGAJ8714J1ZH"]);
    InVoter = "pii.in-voter", "Indian voter card (EPIC)", [National]
        .region("IN").example(&["voter XKD4442517"]).notes("only after a word that announces it");
    InPassport = "pii.in-passport", "Indian passport", [National]
        .region("IN").example(&["indian passport G8945581"]).notes("only after a word that announces it");
    InVehicle = "pii.in-vehicle", "Indian vehicle registration", [National]
        .region("IN").example(&["vehicle PB78SW4608"]).notes("without the usual separators, only near a word that announces it");
    InIfsc = "pii.in-ifsc", "Indian bank branch code (IFSC)", [National]
        .region("IN").legal("financial").example(&["ifsc OCMQ0557057"]).notes("only after a word that announces it");
    CnResident = "pii.cn-resident-id", "Chinese resident identity number", [National]
        .region("CN").checksum("ISO 7064 mod 11-2").example(&["身份证 174160202210148589"]);
    CnPassport = "pii.cn-passport", "Chinese passport", [National]
        .region("CN").example(&["护照 Y64196582"]).notes("only after a word that announces it");
    CnUscc = "pii.cn-uscc", "Chinese company number", [National]
        .region("CN").checksum("mod 31").example(&["统一社会信用代码 4P633384515614L6X3"]).notes("only near a word that announces it");
    HkId = "pii.hk-id", "Hong Kong identity card", [National]
        .region("HK").checksum("mod 11").example(&["hkid M697219(0)"]).notes("without the usual separators, only near a word that announces it");
    TwId = "pii.tw-id", "Taiwanese identity number", [National]
        .region("TW").checksum("mod 10").example(&["身分證字號 N155752873"]).notes("only near a word that announces it");
    JpMyNumber = "pii.jp-my-number", "Japanese individual number", [National]
        .region("JP").checksum("mod 11").example(&["マイナンバー 1748 5317 6115"]).notes("only near a word that announces it");
    JpPostcode = "pii.jp-postcode", "Japanese postcode", [National]
        .region("JP").example(&["郵便番号 261-5765"]).notes("only after a word that announces it");
    JpPassport = "pii.jp-passport", "Japanese passport", [National]
        .region("JP").example(&["旅券 YG2785953"]).notes("only after a word that announces it");
    JpLicence = "pii.jp-driving-licence", "Japanese driving licence", [National]
        .region("JP").checksum("mod 11").example(&["運転免許 242302265436"]).notes("only near a word that announces it");
    KrRrn = "pii.kr-rrn", "Korean resident registration number", [National]
        .region("KR").checksum("mod 11 (until 2020)").example(&["주민등록번호 891019-2396025"]).notes("without the usual separators, only near a word that announces it");
    KrFrn = "pii.kr-frn", "Korean foreigner registration number", [National]
        .region("KR").checksum("mod 11 (until 2020)").example(&["외국인등록번호 051004-6677368"]).notes("without the usual separators, only near a word that announces it");
    KrBrn = "pii.kr-brn", "Korean business registration number", [National]
        .region("KR").checksum("mod 10").example(&["사업자등록번호 403-53-09792"]).notes("without the usual separators, only near a word that announces it");
    KrLicence = "pii.kr-driving-licence", "Korean driving licence", [National]
        .region("KR").example(&["운전면허 19-66-028500-48"]).notes("without the usual separators, only near a word that announces it");
    KrPassport = "pii.kr-passport", "Korean passport", [National]
        .region("KR").example(&["여권 R078O9071"]).notes("only near a word that announces it");
    SgNric = "pii.sg-nric", "Singapore NRIC or FIN", [National]
        .region("SG").checksum("mod 11").example(&["fin number M8532707T"]);
    SgUen = "pii.sg-uen", "Singapore company number (UEN)", [National]
        .region("SG").example(&["uen U78GC4119Y"]).notes("without the usual separators, only near a word that announces it");
    MyKad = "pii.my-mykad", "Malaysian identity card", [National]
        .region("MY").example(&["mykad 140625-60-1832"]).notes("without the usual separators, only near a word that announces it");
    IdNik = "pii.id-nik", "Indonesian identity number", [National]
        .region("ID").example(&["nik 1812872402617460"]).notes("only near a word that announces it");
    ThId = "pii.th-id", "Thai identity number", [National]
        .region("TH").checksum("mod 11").example(&["เลขประจำตัวประชาชน 1-9951-39502-07-1"]).notes("without the usual separators, only near a word that announces it");
    PhTin = "pii.ph-tin", "Philippine tax number", [National]
        .region("PH").example(&["bir 443-611-265-958"]).notes("only after a word that announces it");
    PhSss = "pii.ph-sss", "Philippine social security number", [National]
        .region("PH").example(&["sss 52-8399459-6"]).notes("only after a word that announces it");
    VnCccd = "pii.vn-cccd", "Vietnamese citizen identity number", [National]
        .region("VN").example(&["cccd 045932674214"]).notes("only after a word that announces it");
    PkCnic = "pii.pk-cnic", "Pakistani identity card", [National]
        .region("PK").example(&["cnic 70516-3817732-0"]).notes("without the usual separators, only near a word that announces it");
    BdNid = "pii.bd-nid", "Bangladeshi identity number", [National]
        .region("BD").example(&["nid 9163029870"]).notes("only after a word that announces it");
    LkNic = "pii.lk-nic", "Sri Lankan identity card", [National]
        .region("LK").example(&["sri lankan nic 401498598V"]).notes("only near a word that announces it");
    KzIin = "pii.kz-iin", "Kazakh individual number", [National]
        .region("KZ").checksum("mod 11").example(&["иин 920403482846"]).notes("only near a word that announces it");
    TrId = "pii.tr-id", "Turkish identity number", [National]
        .region("TR").checksum("two check digits").example(&["kimlik 79704388646"]).notes("only near a word that announces it");
    TrPlate = "pii.tr-plate", "Turkish number plate", [National]
        .region("TR").example(&["plaka 19 T 8342"]).notes("only near a word that announces it");
    IlId = "pii.il-id", "Israeli identity number", [National]
        .region("IL").checksum("Luhn").example(&["teudat zehut 261872782"]).notes("only near a word that announces it");
    AeId = "pii.ae-emirates-id", "Emirates identity card", [National]
        .region("AE").checksum("Luhn").example(&["emirates id 784-1958-1083960-5"]);
    SaId = "pii.sa-id", "Saudi identity number", [National]
        .region("SA").checksum("Luhn").example(&["iqama 2194358640"]).notes("only near a word that announces it");
    EgId = "pii.eg-id", "Egyptian identity number", [National]
        .region("EG").example(&["الرقم القومي 30212251582509"]).notes("only near a word that announces it");
    KwCivil = "pii.kw-civil-id", "Kuwaiti civil identity number", [National]
        .region("KW").checksum("mod 11").example(&["civil id 305040976259"]).notes("only near a word that announces it");
    AuAbn = "pii.au-abn", "Australian business number", [National]
        .region("AU").checksum("mod 89").example(&["abn 72 060 627 881"]).notes("without the usual separators, only near a word that announces it");
    AuAcn = "pii.au-acn", "Australian company number", [National]
        .region("AU").checksum("mod 10").example(&["acn 127 301 357"]).notes("only near a word that announces it");
    AuMedicare = "pii.au-medicare", "Australian Medicare number", [National]
        .region("AU").legal("health").checksum("mod 10").example(&["medicare card 6348 50347 1"]).notes("without the usual separators, only near a word that announces it");
    AuTfn = "pii.au-tfn", "Australian tax file number", [National]
        .region("AU").checksum("mod 11").example(&["tfn 251 409 055"]).notes("only near a word that announces it");
    AuPassport = "pii.au-passport", "Australian passport", [National]
        .region("AU").example(&["australian passport I6323008"]).notes("only after a word that announces it");
    NzIrd = "pii.nz-ird", "New Zealand tax number", [National]
        .region("NZ").checksum("mod 11").example(&["ird 55-942-161"]).notes("without the usual separators, only near a word that announces it");
    NzNhi = "pii.nz-nhi", "New Zealand health number", [National]
        .region("NZ").legal("health").checksum("mod 11").example(&["nhi JZD2082"]).notes("only near a word that announces it");
    ZaId = "pii.za-id", "South African identity number", [National]
        .region("ZA").checksum("Luhn").example(&["south african id 1512310502169"]).notes("without the usual separators, only near a word that announces it");
    NgNin = "pii.ng-nin", "Nigerian identity number", [National]
        .region("NG").example(&["national identification 98688660852"]).notes("only after a word that announces it");
    NgBvn = "pii.ng-bvn", "Nigerian bank verification number", [National]
        .region("NG").legal("financial").example(&["bvn 22128485426"]).notes("only after a word that announces it");
    KeId = "pii.ke-id", "Kenyan tax PIN", [National]
        .region("KE").example(&["kra A606770566U"]).notes("without the usual separators, only near a word that announces it");
    Imei = "pii.imei", "number of a mobile device (IMEI)", [National]
        .checksum("Luhn").example(&["imei 301290309863820"]).notes("without the usual separators, only near a word that announces it");
    Vin = "pii.vin", "vehicle identification number", [National]
        .checksum("mod 11").example(&["vin 0R78ZW407173H8710"]).notes("only near a word that announces it");
    Icao = "pii.passport", "passport number", [National]
        .example(&["passport LUC252891"]).notes("only after a word that announces it");
    Plate = "pii.license-plate", "number plate", [National]
        .example(&["plate number NXY-4319"]).notes("only after a word that announces it");
    StudentId = "pii.medical-record", "medical record or patient number", [National]
        .legal("health").example(&["mrn 517941"]).notes("only after a word that announces it");
    InsuranceId = "pii.health-plan", "health insurance policy number", [National]
        .legal("health").example(&["health plan WKS358248855"]).notes("only after a word that announces it");
    EmployeeId = "pii.employee-id", "employee or customer number", [National]
        .example(&["employee id A938962"]).notes("only after a word that announces it");
    Name = "pii.name", "name of a person", [Proper]
        .example(&["my name is Maria Lopez"]).notes("lists, titles and cues, no model: rare names without any of them are missed, and names of products that are also people's are taken for them");
    Location = "pii.location", "place", [Proper]
        .example(&["she moved to Lisbon"]).notes("countries and large places by list, others after words like `in` and `from`");
    Organisation = "pii.organisation", "organisation", [Proper]
        .example(&["he works at Miller Holdings Ltd"]).notes("only names that end in a word like Ltd, Bank or University");
    StreetAddress = "pii.street-address", "street address", [Street, Proper]
        .example(&["I live at 12 Station Road, Leeds"]).notes("addresses without a number or a word for a street are missed");
    Url = "pii.url", "address of the web", [Url]
        .legal("-").example(&["https://www.example", ".org/~jo"]).notes("most name nobody; hosts without a dot are left alone");
    Date = "pii.date", "date", [Date, Proper]
        .legal("-").example(&["on 2021-05-21"]).notes("a day says little by itself; years and times of a day alone are left out");
    DateOfBirth = "pii.date-of-birth", "date of birth", [Date, Proper]
        .example(&["born on 12/11/1952"]).notes("a date after a word of birth, whoever's it is");
    Mac = "pii.mac-address", "address of a network card", [Mac]
        .example(&["00:1A:2B", ":3C:4D:5E"]).notes("broadcast and empty addresses are left alone; other lists of six pairs look the same");
    Bitcoin = "pii.bitcoin", "Bitcoin address", [Crypto]
        .legal("financial").checksum("base58check, bech32, bech32m").example(&["bc1qar0srrr7xfkvy5l643", "lydnw9re59gtzzwf5mdq"]).notes("the checksum must be right");
    Ethereum = "pii.ethereum", "Ethereum address", [Crypto]
        .legal("financial").checksum("EIP-55, where both cases occur").example(&["0x5aAeb6053F3E94C9b9A09", "f33669435E7Ef1BeAed"]).notes("in one case there is no checksum, and other numbers of 160 bits look the same");
    Bic = "pii.bic", "SWIFT code of a bank (BIC)", [Bic]
        .legal("financial").example(&["BIC: DEUT", "DEFF500"]).notes("only after a word that announces it, with the code of a country in its place; names a bank, and an account only beside its number");
    Coordinates = "pii.coordinates", "place on a map", [Ipv4]
        .example(&["lat/lon: 40.7128, ", "-74.0060"]).notes("two angles with marks of degrees, or with three digits of a fraction after a word such as lat, gps or location; a minus sign before the first one stays");
    Age = "pii.age", "age of a person", [Date]
        .example(&["she is 47 ", "years old"]).notes("years with `old`, or a number after `age`: what a house or a whisky is old by looks the same");
}
