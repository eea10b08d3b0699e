"""Keys and verbs in the languages of other laboratories, and what they are here."""

from collections.abc import Collection, Mapping
from typing import Final

_BY_KEY: Final[Mapping[str, str]] = {
    "charge": "laden aufladen ladung charger chargez recharge carga cargar carica caricare "
    "充电 充電 恒流充电 恒流恒压充电 定電流充電",
    "discharge": "entladen entladung décharge decharge décharger descarga descargar scarica scaricare "
    "放电 放電 恒流放电 定電流放電",
    "rest": "ruhe ruhen ruhezeit ruhephase pausieren warten repos reposo riposo 静置 搁置 静止 休息 休止 静置時間",
    "hold": "halten konstantspannung maintien mantener 恒压 恒压充电 定電圧 定電圧充電 保持",
    "eis": "impedanz impédance impedancia 阻抗 交流阻抗 インピーダンス",
    "temperature": "temperatur température temperatura 温度 恒温",
    "profile": "profil perfil 工况",
    "mark": "markierung marque marca 标记",
    "prompt": "meldung hinweis 提示",
    "current": "strom stromstärke stromstaerke courant intensité corriente corrente 电流 電流 充电电流 放电电流 充電電流 放電電流",
    "hold_until": "abschaltstrom endstrom 截止电流 终止电流 終止電流 カットオフ電流",
    "to": "bis endspannung ladeschlussspannung entladeschlussspannung abschaltspannung jusqua jusqu_à jusqu'à jusqu’à hasta fino_a "
    "截止电压 终止电压 終止電圧 カットオフ電圧 上限电压 下限电压 上限電圧 下限電圧",
    "from": "von vom depuis desde da 起始 开始",
    "voltage": "spannung potential tension voltaje tensión tensione potenziale 电压 電圧 电位 電位",
    "for": "dauer zeit zeitdauer laufzeit durée duree temps duración duracion tiempo durata tempo 时间 時間 持续时间 时长",
    "until": "abbruch abbruchbedingung condition_d_arrêt condición 截止条件 终止条件 終止条件",
    "capacity": "kapazität kapazitaet ladungsmenge capacité capacite capacidad capacità 容量",
    "power": "leistung puissance potencia potenza 功率 電力",
    "resistance": "widerstand résistance resistencia resistenza 电阻 抵抗",
    "rate": "vorschub vorschubgeschwindigkeit scanrate vitesse velocidad 扫描速率 扫速 掃引速度",
    "cycles": "zyklen zyklenzahl cycles ciclos cicli 循环次数 圈数 サイクル数",
    "amplitude": "amplitud ampiezza 振幅 扰动",
    "per_decade": "punkte_pro_dekade punkte points_par_décade 每十倍频点数",
    "repeat": "wiederholen wiederhole wiederholung wiederholungen anzahl répéter repeter répétition repetition repetir ripeti "
    "循环 重复 循环次数 繰り返し 繰返し",
    "cycle": "zyklus ciclo",
    "each": "für jede chaque cada ogni 每个",
    "steps": "schritte ablauf étapes etapes pasos passi 工步 步骤 流程 ステップ 手順",
    "limits": "grenzen grenzwerte limite limites límites limiti 限制 保护 安全限制 制限",
    "params": "parameter paramètres parámetros parametri 参数 パラメータ",
    "name": "bezeichnung titel nom nombre nome 名称 名字 名前",
    "about": "beschreibung description descripción descrizione 说明 描述 説明",
    "record": "aufzeichnung aufzeichnen messrate enregistrement registro registrazione 记录 記録 采样",
    "every": "alle intervall toutes cada intervalo 间隔 間隔",
    "analyse": "auswertung auswerten análisis analisi 分析 解析",
    "requires": "benötigt voraussetzung exige requiere 要求",
    "kind": "typ art zelltyp genre tipo 类型 种类 種類 电池类型",
    "area": "fläche flaeche elektrodenfläche surface superficie área 面积 面積 电极面积 電極面積",
    "diameter": "durchmesser diamètre diámetro diametro 直径 直徑",
    "active_mass": "masse aktivmasse masse_active masa massa 质量 質量 活性物质质量 活物質量 活性物质",
    "film_thickness": "schichtdicke dicke épaisseur espesor spessore 厚度 膜厚",
    "nominal": "nennkapazität nennkapazitaet capacité_nominale capacidad_nominal 标称容量 额定容量 公称容量 定格容量",
    "reference": "referenz référence referencia riferimento 参比 参照",
}  # fmt: skip
_KEYS: Final[dict[str, list[str]]] = {}
for _key, _words in _BY_KEY.items():
    for _word in _words.split():
        _KEYS.setdefault(_word, []).append(_key)


def translated(word: str, known: Collection[str]) -> str:
    """Return the known key that a word of another language is, or ""."""
    return next((key for key in _KEYS.get(word.strip().lower().replace(" ", "_"), ()) if key in known), "")
